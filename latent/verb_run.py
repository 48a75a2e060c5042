"""Running one verb, from the options of the command line to the output of its answer.

That is a file by its extension, else the terminal as a table, else the pipe as JSON. Data sets stream into files of
rows (`latent.bulk`); everything else is one request (`latent.session`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latent.options import Engine

if TYPE_CHECKING:
    from latent.bulk.command import Stream
    from latent.items import Items
    from latent.session import Session
    from latent_client.calls import Call

_STREAMED = (".npy", ".csv", ".parquet")
_SHOWN_ROWS = 20
_SHOWN_COLUMNS = 16


@dataclass(frozen=True)
class Target:
    """The model or server that answers, and the output of the answer."""

    model: str
    output: Path | None
    as_json: bool
    url: str | None
    timeout_s: float
    store: Path
    engine: Engine

    def kind(self, *, pictures: bool = True, moving: bool = False) -> str | None:
        """Checked extension of the output; None without an output."""
        from latent.answers import kind_of

        return None if self.output is None else kind_of(self.output, pictures=pictures, moving=moving)

    def session(self) -> Session:
        """Open the session. Raises StoreError or BadName if there is no such model."""
        from latent.session import LocalSession, RemoteSession

        if self.url is not None:
            return RemoteSession(self.model, self.url, self.timeout_s)
        return LocalSession(self.model, self.store, self.engine)

    def stream(
        self, files: Sequence[Path], label_column: str | None, *, codes: bool = False, one_request: bool = False
    ) -> Stream | None:
        """Prepare a bulk run of one data set into a file of rows; None if it has to be one request (`one_request`)."""
        from latent.datasets import is_dataset

        if one_request or self.url is not None or self.output is None or len(files) != 1 or not is_dataset(files[0]):
            return None
        if self.output.suffix.lower() not in _STREAMED:
            return None
        from latent.bulk.command import Stream

        opened = Stream.of_codes if codes else Stream.of_items
        return opened(self.model, self.store, self.engine, files[0], self.output, label_column)


def with_items(target: Target, files: Sequence[Path], label_column: str | None) -> tuple[Session, Items]:
    """Open the session and read the files' items. Raises StoreError, BadName or CommandError."""
    from latent.datasets import items_wanted
    from latent.items import read_items

    session = target.session()
    return session, read_items(files, items_wanted(lambda: session.manifest, label_column))


def labels_of(text: str | None, session: Session, items: Items | None = None) -> list[int | str] | None:
    """Choose the labels: the given ones, else those of the files of a conditional model."""
    from latent.labels import as_label, listed_labels

    if text is not None:
        return listed_labels(text, session.manifest)
    if items is None or items.labels is None or not session.manifest.input.conditional:
        return None
    return [as_label(label, session.manifest) for label in items.labels]


def integers(option: str, text: str) -> list[int]:
    """Read integers such as `0,3`. Raises CommandError."""
    from latent.errors import CommandError

    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise CommandError(f"{option} takes integers separated by commas, not {text!r}") from error


def numbers(option: str, text: str) -> list[float]:
    """Read numbers such as `0.5,-1`. Raises CommandError."""
    from latent.errors import CommandError

    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise CommandError(f"{option} takes numbers separated by commas, not {text!r}") from error


def answer_call(
    target: Target,
    session: Session,
    call: Call[Any],
    kind: str | None,
    *,
    scale: int | None = None,
    fps: float | None = None,
) -> None:
    """Run the call; write or print its answer."""
    from latent.answers import PICTURES, document, encoded_as, main_array
    from latent.errors import CommandError
    from latent.output import json_bytes, on_terminal, print_json, say, write_whole
    from latent_client.pictures import PictureStyle

    if kind in PICTURES and target.output is not None:
        if session.manifest.input.kind != "image":
            raise CommandError(f"{target.model} answers {session.manifest.input.kind}s, no pictures: use .npy or .json")
        picture = session.run(PictureStyle(PICTURES[kind], scale, fps).apply(call))
        write_whole(target.output, picture)
        say(f"{target.output}: {len(picture)} bytes")
        return
    answer = session.run(call)
    if kind is not None and target.output is not None:
        write_whole(target.output, encoded_as(target.output, answer, lambda: session.manifest))
        if target.as_json:
            print_json({"model": answer.model, "items": len(main_array(answer)), "file": str(target.output)})
        else:
            say(f"{target.output}: {' × '.join(map(str, main_array(answer).shape))} from {answer.model}")
    elif target.as_json or not on_terminal():
        import sys

        sys.stdout.write(json_bytes(document(answer)).decode())
    else:
        _print(answer, session)


def _print(answer: Any, session: Session) -> None:  # noqa: ANN401 - any of the client's answers
    """Print a table for people: the first rows and columns, and a note on what is left out."""
    from latent.answers import main_array, rows_of
    from latent.output import print_table, say

    count = len(main_array(answer))
    say(f"{answer.model}: {count} item{'s' if count != 1 else ''}")
    columns = rows_of(answer, session.manifest).text
    if not columns:
        say(f"{' × '.join(map(str, main_array(answer).shape))} numbers; -o FILE.png shows them, --json prints them")
        return
    shown = columns[:_SHOWN_COLUMNS]
    print_table(
        ["", *(name for name, _ in shown)],
        [[at, *(float(values[at]) for _, values in shown)] for at in range(min(count, _SHOWN_ROWS))],
    )
    if count > _SHOWN_ROWS or len(columns) > _SHOWN_COLUMNS:
        say(f"({count} rows of {len(columns)} numbers in all: -o FILE or --json has them)")
