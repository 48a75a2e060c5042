"""Publishing a version: stage it beside the target, verify, fsync, then one rename.

The rename is the only step that a reader can see. A publisher that dies before it leaves a hidden directory that
no reader looks at and `gc` removes; one that dies after it has published.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from model_store.aliases import next_version, record_publication
from model_store.durable import fsync_path, fsync_tree, hold, locked
from model_store.errors import ManifestUnreadable, StoreNotWritable
from model_store.files import shown, words
from model_store.manifest import Manifest, ManifestBody, first_wrong, utc_now
from model_store.signatures import SIGNATURES
from model_store.verify import DIGEST, MANIFEST, UNLISTED, digest_file, digest_line, verify_contents, walk_files
from model_store.versions import check_name

STAGING_PREFIX = ".staging-"
CHECK_PREFIX = ".latent-check-"

_REFUSALS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""What a disk says that takes no more, to whoever fills a staging directory."""


class Staging:
    """A version before it is published: fill the directory `path`, then call `publish` once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def publish(self, body: ManifestBody) -> Manifest:
        """Make the staged files the model's next version, or raise and change nothing.

        Raises a VersionDamaged where the files break the contract, StoreNotWritable where the disk refuses.
        """
        present = set(walk_files(self.path)) - UNLISTED
        verify_contents(self.path, body, present)
        model = self.path.parent
        try:
            files = {path: digest_file(self.path / path) for path in sorted(present)}
            (self.path / SIGNATURES).unlink(missing_ok=True)  # of another version, whose files were copied
            fsync_tree(self.path)
            with locked(model):
                manifest = Manifest(
                    **{name: getattr(body, name) for name in ManifestBody.model_fields},
                    name=model.name,
                    version=next_version(model),
                    created_at=utc_now(),
                    files=files,
                )
                data = manifest.to_json()
                (self.path / MANIFEST).write_bytes(data)
                fsync_path(self.path / MANIFEST)
                (self.path / DIGEST).write_bytes(digest_line(data))
                fsync_path(self.path / DIGEST)
                fsync_path(self.path)
                self.path.rename(model / str(manifest.version))
                fsync_path(model)
                with suppress(OSError):  # the version stands: whoever removes it makes sure of its number again
                    record_publication(model, manifest.version)
        except ValidationError as error:
            raise ManifestUnreadable(f"the manifest cannot be published: {first_wrong(error)}") from error
        except OSError as error:
            raise _not_writable(model, error) from error
        return manifest


@contextmanager
def stage(store: Path, name: str) -> Iterator[Staging]:
    """Make an empty hidden staging directory in a `with` block; it is removed at the end unless it was published.

    The directory is locked until then, so that `gc` can tell a living publisher from a dead one. Raises BadName, or
    StoreNotWritable; the latter too where the block finds the disk full.
    """
    model = store / check_name(name)
    try:
        path, holder = _make_staging(model)
    except OSError as error:
        raise _not_writable(model, error) from error
    try:
        yield Staging(path)
    except OSError as error:
        if error.errno in _REFUSALS:
            raise _not_writable(model, error) from error
        raise
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(holder)
        with suppress(OSError):
            model.rmdir()  # succeeds only where nothing was ever published


def check_writable(store: Path) -> None:
    """Raise StoreNotWritable unless a version can be written below `store`; nothing stays on the disk."""
    ancestor = store.absolute()
    try:
        while not ancestor.exists() and ancestor != ancestor.parent:
            ancestor = ancestor.parent
        with tempfile.TemporaryDirectory(prefix=CHECK_PREFIX, dir=ancestor):
            pass
    except OSError as error:
        reason = f"nothing can be created in {shown(ancestor)}: {words(error)}"
        raise StoreNotWritable(f"the store {shown(store)} cannot be written ({reason})") from error


def _not_writable(model: Path, error: OSError) -> StoreNotWritable:
    return StoreNotWritable(f"{shown(model)} cannot be written ({words(error)})")


def _make_staging(model: Path) -> tuple[Path, int]:
    """Make a locked staging directory; return it with the descriptor that holds its lock."""
    while True:
        model.mkdir(parents=True, exist_ok=True)
        try:
            # Under the model's lock, so that `gc` never meets the directory before its own lock is taken.
            with locked(model):
                path = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=model))
                path.chmod(0o755)
                return path, hold(path)
        except FileNotFoundError:
            continue  # another publisher gave up and took the empty directory away
