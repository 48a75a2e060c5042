"""A directory of pictures: any size, grey or colour; sub-folders are labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from latent.datasets.base import Chunk
from latent.errors import CommandError
from model_store.preprocess import TRAINING_FORMATS


class PictureDataset:
    """Every picture below a directory, in the order of the paths; read when its turn comes.

    Other files, and names that begin with a dot, are passed over. The first folder of a path is the label, where no
    picture stands outside one.
    """

    def __init__(self, path: Path) -> None:
        """Raises CommandError where there is no picture."""
        self.path = path
        suffixes = _suffixes()
        self._files = [
            file.relative_to(path)
            for file in sorted(path.rglob("*"))
            if file.suffix.lower() in suffixes and file.is_file() and not _is_hidden(file.relative_to(path))
        ]
        if not self._files:
            raise CommandError(f"{path} holds no pictures ({', '.join(sorted(suffixes))}) and no IDX files")
        self.count: int | None = len(self._files)
        self.labelled = all(len(file.parts) > 1 for file in self._files)

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Paths."""
        for start in range(0, len(self._files), size):
            files = self._files[start : start + size]
            yield Chunk(
                start,
                [self.path / file for file in files],
                [_text(file.parts[0]) for file in files] if self.labelled else None,
                [_text(file.as_posix()) for file in files],
            )


def _suffixes() -> frozenset[str]:
    """Of the formats that training reads."""
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in TRAINING_FORMATS)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _text(name: str) -> str:
    """A name as text: one that is no UTF-8 can stand in no table as it is."""
    return name.encode(errors="surrogateescape").decode(errors="replace")
