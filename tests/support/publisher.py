"""Publishes exported versions again, without TensorFlow, in processes that tests may kill."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from model_store import Manifest, ManifestBody, ModelStore, stage
from model_store.verify import DIGEST, MANIFEST, read_manifest


def body_from(version: Path) -> ManifestBody:
    """What the trainer said of a published version."""
    manifest = read_manifest(version)
    return ManifestBody(**{name: getattr(manifest, name) for name in ManifestBody.model_fields})


def copy_files(version: Path, staging: Path) -> None:
    """Everything in a published version but its manifest."""
    shutil.copytree(version, staging, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MANIFEST, DIGEST))


def republish(store: Path, name: str, source: Path, change: Callable[[Path], object] | None = None) -> Manifest:
    """Publish the files of the version at `source` as the next version of `name`; `change` may alter them before."""
    with stage(store, name) as staging:
        copy_files(source, staging.path)
        if change is not None:
            change(staging.path)
        return staging.publish(body_from(source))


def publish_for_ever(store: Path, name: str, source: Path, started: Connection) -> None:
    """Publish and promote again and again until killed; sends one message before the first time."""
    keeper = ModelStore(store)
    started.send("started")
    while True:
        version = republish(store, name, source).version
        keeper.promote(f"{name}@{version}")


def publish_at_once(store: Path, name: str, source: Path, ready: Barrier, published: Connection) -> None:
    """Wait for the others, publish once, send the version number."""
    ready.wait()
    published.send(republish(store, name, source).version)
