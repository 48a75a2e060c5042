"""Processes that may not read everything, files that are not theirs, file systems that hang or are full.

Root may read and write whatever it likes, so a test that runs as root starts its processes without that privilege.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

IS_ROOT = os.geteuid() == 0
_NOBODY = 65534
_PRIVILEGES = "-dac_override,-dac_read_search"

PREFIX = (
    ("setpriv", f"--inh-caps={_PRIVILEGES}", f"--bounding-set={_PRIVILEGES}")
    if IS_ROOT and shutil.which("setpriv")
    else ()
)
"""What a command is started with, so that permissions hold for it."""

needs_permissions = pytest.mark.skipif(IS_ROOT and not PREFIX, reason="root may read everything, and has no setpriv")
needs_mounts = pytest.mark.skipif(not IS_ROOT, reason="only root may mount file systems")
needs_leases = pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="leases of files are Linux's")


def take_away(path: Path) -> Callable[[], None]:
    """Make a file or directory somebody else's, who shares it with nobody; the result gives it back."""
    status = path.stat()
    if IS_ROOT:
        os.chown(path, _NOBODY, _NOBODY)
    path.chmod(0o700 if IS_ROOT else 0)

    def give_back() -> None:
        if IS_ROOT:
            os.chown(path, status.st_uid, status.st_gid)
        path.chmod(status.st_mode & 0o777)

    return give_back


@contextmanager
def small_disk(at: Path, size: str) -> Iterator[Path]:
    """A file system of so many bytes, such as `1m`."""
    at.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={size}", "none", str(at))
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def make_read_only(at: Path) -> None:
    """Let nobody write to a file system."""
    _mount("-o", "remount,ro", str(at))


def fill_up(at: Path) -> None:
    """Leave no room on a file system."""
    with suppress(OSError), (at / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@contextmanager
def hung_disk(at: Path) -> Iterator[Path]:
    """A directory of a file system that never answers: every call that touches it waits, as on a hung network mount.

    It is FUSE without a program behind it.
    """
    at.mkdir()
    device = os.open("/dev/fuse", os.O_RDWR)
    try:
        options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
        _mount("-i", "-t", "fuse", "-o", options, "none", str(at), pass_fds=(device,))
        try:
            yield at
        finally:
            subprocess.run(["umount", "-l", str(at)], check=True)
    finally:
        os.close(device)  # whoever still waits for it gets an error


@contextmanager
def held_file(path: Path) -> Iterator[None]:
    """A file whose opening waits in the kernel, for as long as the block runs: somebody has a lease on it.

    The kernel ends the wait after /proc/sys/fs/lease-break-time, 45 s by default.
    """
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)  # how the kernel asks for the lease back
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        yield
    finally:
        os.close(descriptor)
        signal.signal(signal.SIGIO, before)


def _mount(*arguments: str, pass_fds: tuple[int, ...] = ()) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False, pass_fds=pass_fds)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
