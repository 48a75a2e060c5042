"""Reading files of a directory that may hold anything: named refusals, no hang, no more bytes than the limit."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from model_store.files import NotRegular, TooLarge, open_regular, read_bounded, shown, words
from tests.support.restricted import held_file, needs_leases


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def test_a_file_of_just_the_limit_is_read(path: Path) -> None:
    path.write_bytes(b"12345")
    assert read_bounded(path, 5) == b"12345"
    path.write_bytes(b"")
    assert read_bounded(path, 5) == b""


def test_a_file_over_the_limit_is_not_read(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 * 2**30)
    with pytest.raises(TooLarge) as caught:
        read_bounded(path, 5)
    assert words(caught.value) == "it has 10737418240 bytes; at most 5 are read"


def test_a_file_whose_size_says_nothing_is_read_up_to_the_limit() -> None:
    with pytest.raises(TooLarge, match="it goes on; at most 5 are read"):
        read_bounded(Path("/proc/self/status"), 5)


def test_a_pipe_is_refused_and_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(NotRegular) as caught:
        read_bounded(path, 5)
    assert words(caught.value) == "it is a pipe, no regular file"


def test_a_socket_is_refused(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        with pytest.raises(NotRegular, match="it is a socket"):
            open_regular(path)


def test_a_device_is_refused() -> None:
    with pytest.raises(NotRegular, match="it is a device"):
        read_bounded(Path("/dev/zero"), 5)


def test_what_the_system_says_is_passed_on(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_bounded(path, 5)
    path.mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        read_bounded(path, 5)
    assert words(caught.value) == "Is a directory"
    loop = path.with_name("loop")
    loop.symlink_to(loop)
    with pytest.raises(OSError, match="Too many levels"):
        read_bounded(loop, 5)


def test_words_of_an_error_without_a_number() -> None:
    assert words(OSError("it broke")) == "it broke"
    assert words(OSError()) == "OSError"


@needs_leases
def test_a_file_that_somebody_has_a_lease_on_is_waited_for(path: Path) -> None:
    """A file server holds such leases; an open that may not wait would fail."""
    path.write_bytes(b"12345")
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(read_bounded(path, 5)))
    with held_file(path):
        reader.start()
    reader.join()
    assert found == [b"12345"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("plain/ü 日本", "plain/ü 日本"), ("a\nb", "a\\nb"), (os.fsdecode(b"\xff.txt"), "\\udcff.txt")],
)
def test_any_name_can_be_printed(name: str, text: str) -> None:
    assert shown(name) == text
    assert shown(name).encode()
