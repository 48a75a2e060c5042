"""A directory of pictures: any size, grey or colour; sub-folders are labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from latent.datasets.base import Chunk
from latent.errors import CommandError
from model_store.preprocess import TRAINING_FORMATS


class PictureDataset:
    """A directory of pictures, in the order of the paths; each is read when it is needed.

    Other files, and names that begin with a dot, are passed over. The first folder of a path is the label, where no
    picture stands outside one.
    """

    def __init__(self, path: Path) -> None:
        """List the pictures. Raises CommandError if there is none."""
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
        """Chunks of paths."""
        for start in range(0, len(self._files), size):
            files = self._files[start : start + size]
            yield Chunk(
                start,
                [self.path / file for file in files],
                [_text(file.parts[0]) for file in files] if self.labelled else None,
                [_text(file.as_posix()) for file in files],
            )


def _suffixes() -> frozenset[str]:
    """File name suffixes of the formats that training reads."""
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in TRAINING_FORMATS)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _text(name: str) -> str:
    """Convert a file name to valid text: a name that is not UTF-8 cannot be written to a table."""
    return name.encode(errors="surrogateescape").decode(errors="replace")
