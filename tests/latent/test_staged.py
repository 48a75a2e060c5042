"""Staged files: a file appears under its name only when it is complete."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import pytest

from latent.bulk.staged import staged


def test_an_interruption_while_the_file_is_being_opened_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal that comes during a slow open(2) is heard right after it."""
    opened = Path.open

    def interrupted(self: Path, *arguments: Any, **options: Any) -> IO[bytes]:  # noqa: ANN401 - as Path.open has it
        opened(self, *arguments, **options).close()
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "open", interrupted)
    with pytest.raises(KeyboardInterrupt), staged(tmp_path / "codes.npy"):
        pass
    assert list(tmp_path.iterdir()) == []
