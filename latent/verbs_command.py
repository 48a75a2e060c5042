"""`latent encode | decode | reconstruct | interpolate | sample | manifold`: the verbs, here or on a server.

Answers go to a file by its extension, else to the terminal as a table, else down the pipe as JSON. Data sets stream
into files of rows (`latent.bulk`); everything else is one request (`latent.session`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from latent.options import DEFAULT_STORE, Engine, EngineOption, JsonOption, StoreOption

if TYPE_CHECKING:
    from latent.bulk.command import Stream
    from latent.items import Items
    from latent.session import Session
    from latent_client.calls import Call

_PANEL = "Latent space"
_STREAMED = (".npy", ".csv", ".parquet")
_SHOWN_ROWS = 20
_SHOWN_COLUMNS = 16


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (encode, decode, reconstruct, interpolate, sample, manifold):
        app.command(rich_help_panel=_PANEL)(command)


# -- options -----------------------------------------------------------------------------------------------

Fit = Literal["contain", "cover", "stretch"]

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="NAME, NAME@3 or NAME@ALIAS.", show_default=False)]
ItemFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILES...",
        help="Pictures or .json; or a data set: .npy, .npz, .csv, .parquet, a directory of pictures or IDX files.",
        show_default=False,
    ),
]
CodeFiles = Annotated[
    list[Path],
    typer.Argument(metavar="FILES...", help=".npy, .npz, .csv, .parquet or .json of codes (n, d).", show_default=False),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Write here: .npy, .npz, .json, .csv, .parquet, .png, .gif or .webp.",
        show_default=False,
    ),
]
UrlOption = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="Ask this server instead of loading the model.", show_default=False),
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.001, help="How long a server may take for each request.")
]
LabelsOption = Annotated[
    str | None,
    typer.Option(
        "--labels",
        metavar="LABEL[,LABEL...]",
        help="Class of each item, or one for all: names or indices.",
        show_default=False,
    ),
]
LabelColumnOption = Annotated[
    str | None,
    typer.Option(
        "--label-column",
        metavar="COLUMN",
        help="Column of a table that holds the class of each row: its name, or its number from 0.",
        show_default=False,
    ),
]
SeedOption = Annotated[int | None, typer.Option("--seed", metavar="N", help="Repeats a draw.", show_default=False)]
FitOption = Annotated[
    Fit | None, typer.Option("--fit", help="How a picture is brought to the model's size.", show_default=False)
]
InvertOption = Annotated[bool, typer.Option("--invert", help="Dark on light, for a model of light on dark.")]
ScaleOption = Annotated[
    int | None, typer.Option("--scale", metavar="1...16", help="Magnify pictures.", min=1, max=16, show_default=False)
]


@dataclass(frozen=True)
class Target:
    """Who is asked, and where the answer goes."""

    model: str
    output: Path | None
    as_json: bool
    url: str | None
    timeout_s: float
    store: Path
    engine: Engine

    def kind(self, *, pictures: bool = True, moving: bool = False) -> str | None:
        """The extension of the output, checked; None where there is none."""
        from latent.answers import kind_of

        return None if self.output is None else kind_of(self.output, pictures=pictures, moving=moving)

    def session(self) -> Session:
        """Raises StoreError or BadName where there is no such model."""
        from latent.session import LocalSession, RemoteSession

        if self.url is not None:
            return RemoteSession(self.model, self.url, self.timeout_s)
        return LocalSession(self.model, self.store, self.engine)

    def stream(
        self, files: Sequence[Path], label_column: str | None, *, codes: bool = False, one_request: bool = False
    ) -> Stream | None:
        """One data set into a file of rows; None where it is to be `one_request`, held in memory."""
        from latent.datasets import is_dataset

        if one_request or self.url is not None or self.output is None or len(files) != 1 or not is_dataset(files[0]):
            return None
        if self.output.suffix.lower() not in _STREAMED:
            return None
        from latent.bulk.command import Stream

        opened = Stream.of_codes if codes else Stream.of_items
        return opened(self.model, self.store, self.engine, files[0], self.output, label_column)


# -- commands ----------------------------------------------------------------------------------------------


def encode(
    model: ModelArgument,
    files: ItemFiles,
    *,
    output: OutputOption = None,
    labels: LabelsOption = None,
    label_column: LabelColumnOption = None,
    sample: Annotated[bool, typer.Option("--sample", help="Draw from the posterior instead of its mean.")] = False,
    seed: SeedOption = None,
    fit: FitOption = None,
    invert: InvertOption = False,
    as_json: JsonOption = False,
    store: StoreOption = DEFAULT_STORE,
    engine: EngineOption = "auto",
    url: UrlOption = None,
    timeout: TimeoutOption = 60.0,
) -> None:
    """Items to codes.

    One data set (directory, .npy, .npz, .csv, .parquet) to .npy, .csv or .parquet streams, whatever its size.
    Anything else, and --sample or --url, is one request, held in memory.
    """
    target = Target(model, output, as_json, url, timeout, store, engine)
    kind = target.kind(pictures=False)
    if stream := target.stream(files, label_column, one_request=sample or seed is not None):
        from latent.bulk.verbs import Encode

        condition, path = stream.condition(labels), files[0]
        stream.run(lambda loaded: Encode(loaded, path, condition, fit, invert), as_json=as_json)
        return
    from latent_client import verbs

    session, items = _with_items(target, files, label_column)
    call = verbs.encode(
        items.inputs, labels=_labels(labels, session, items), sample=sample, seed=seed, fit=fit, invert=invert
    )
    _answer(target, session, call, kind)


def decode(
    model: ModelArgument,
    files: CodeFiles,
    *,
    output: OutputOption = None,
    labels: LabelsOption = None,
    label_column: LabelColumnOption = None,
    scale: ScaleOption = None,
    as_json: JsonOption = False,
    store: StoreOption = DEFAULT_STORE,
    engine: EngineOption = "auto",
    url: UrlOption = None,
    timeout: TimeoutOption = 60.0,
) -> None:
    """Codes to items.

    One data set (.npy, .npz, .csv, .parquet) to .npy, .csv or .parquet streams, whatever its size.
    Anything else, and --url, is one request, held in memory.
    """
    target = Target(model, output, as_json, url, timeout, store, engine)
    kind = target.kind()
    from latent.datasets import codes_wanted

    if stream := target.stream(files, label_column, codes=True):
        from latent.bulk.verbs import Decode
        from latent.rows import require_tabular

        if kind != ".npy":
            require_tabular(stream.manifest)
        condition, path = stream.condition(labels), files[0]
        stream.run(lambda loaded: Decode(loaded, path, condition), as_json=as_json)
        return
    from latent.items import read_codes
    from latent_client import verbs

    session, items = target.session(), read_codes(files, codes_wanted(label_column))
    call = verbs.decode(items.inputs, labels=_labels(labels, session, items))
    _answer(target, session, call, kind, scale=scale)


def reconstruct(
    model: ModelArgument,
    files: ItemFiles,
    *,
    output: OutputOption = None,
    labels: LabelsOption = None,
    label_column: LabelColumnOption = None,
    target_labels: Annotated[
        str | None,
        typer.Option(
            "--target-labels", metavar="LABEL[,LABEL...]", help="Decode under other labels.", show_default=False
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", metavar="MSE", help="An anomaly is above this; the model's own without it."),
    ] = None,
    quantile: Annotated[
        float | None,
        typer.Option("--quantile", metavar="0...1", help="The threshold as a quantile of the held-out errors."),
    ] = None,
    error_map: Annotated[bool, typer.Option("--error-map", help="Add the error of every pixel.")] = False,
    fit: FitOption = None,
    invert: InvertOption = False,
    scale: ScaleOption = None,
    as_json: JsonOption = False,
    store: StoreOption = DEFAULT_STORE,
    engine: EngineOption = "auto",
    url: UrlOption = None,
    timeout: TimeoutOption = 60.0,
) -> None:
    """Items through the code and back, with errors and an anomaly score of each.

    .npy, .csv and .parquet hold scores: mse, nll, kl, elbo, percentile, is_anomaly. .npz and .json hold everything.
    One data set (directory, .npy, .npz, .csv, .parquet) to .npy, .csv or .parquet streams, whatever its size.
    Anything else, and --error-map or --url, is one request, held in memory.
    """
    target = Target(model, output, as_json, url, timeout, store, engine)
    kind = target.kind()
    if stream := target.stream(files, label_column, one_request=error_map):
        from latent.bulk.verbs import Reconstruct, anomaly_threshold

        condition, path = stream.condition(labels), files[0]
        other = condition if target_labels is None else stream.condition(target_labels, "--target-labels")
        limit = anomaly_threshold(stream.manifest, threshold, quantile)
        stream.run(lambda loaded: Reconstruct(loaded, path, condition, other, limit, fit, invert), as_json=as_json)
        return
    from latent_client import verbs

    session, items = _with_items(target, files, label_column)
    call = verbs.reconstruct(
        items.inputs,
        labels=_labels(labels, session, items),
        target_labels=_labels(target_labels, session),
        threshold=threshold,
        quantile=quantile,
        error_map=error_map,
        fit=fit,
        invert=invert,
    )
    _answer(target, session, call, kind, scale=scale)


def interpolate(
    model: ModelArgument,
    files: ItemFiles,
    *,
    output: OutputOption = None,
    codes: Annotated[bool, typer.Option("--codes", help="FILES hold codes, not items.")] = False,
    steps: Annotated[int, typer.Option("--steps", metavar="N", help="Points of a segment, both ends included.")] = 8,
    method: Annotated[
        Literal["auto", "lerp", "slerp"], typer.Option("--method", help="auto: slerp for Gaussian codes, else lerp.")
    ] = "auto",
    space: Annotated[
        Literal["latent", "data"], typer.Option("--space", help="data blends the items themselves.")
    ] = "latent",
    labels: LabelsOption = None,
    fit: FitOption = None,
    invert: InvertOption = False,
    scale: ScaleOption = None,
    fps: Annotated[
        float | None,
        typer.Option("--fps", metavar="N", help="Pictures a second of .gif and .webp.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
    store: StoreOption = DEFAULT_STORE,
    engine: EngineOption = "auto",
    url: UrlOption = None,
    timeout: TimeoutOption = 60.0,
) -> None:
    """From item to item through the latent space; .gif and .webp move."""
    target = Target(model, output, as_json, url, timeout, store, engine)
    kind = target.kind(moving=True)
    from latent.datasets import codes_wanted
    from latent.items import read_codes
    from latent_client import verbs

    if codes:
        session, items = target.session(), read_codes(files, codes_wanted())
    else:
        session, items = _with_items(target, files, None)
    call = verbs.interpolate(
        None if codes else items.inputs,
        z=items.inputs if codes else None,
        steps=steps,
        method=method,
        space=space,
        labels=_labels(labels, session),
        fit=fit,
        invert=invert,
    )
    _answer(target, session, call, kind, scale=scale, fps=fps)


def sample(
    model: ModelArgument,
    *,
    n: Annotated[int, typer.Option("-n", "--n", metavar="N", help="How many.")] = 16,
    output: OutputOption = None,
    seed: SeedOption = None,
    temperature: Annotated[float, typer.Option("--temperature", metavar="T", help="Scales the deviation.")] = 1.0,
    truncation: Annotated[
        float | None,
        typer.Option("--truncation", metavar="T", help="Cut the normal at so many deviations.", show_default=False),
    ] = None,
    prior: Annotated[
        Literal["auto", "standard", "fitted"],
        typer.Option("--prior", help="N(0, I), or the mixture fitted to the training codes."),
    ] = "auto",
    labels: LabelsOption = None,
    scale: ScaleOption = None,
    as_json: JsonOption = False,
    store: StoreOption = DEFAULT_STORE,
    engine: EngineOption = "auto",
    url: UrlOption = None,
    timeout: TimeoutOption = 60.0,
) -> None:
    """New items, drawn from the prior."""
    target = Target(model, output, as_json, url, timeout, store, engine)
    kind, session = target.kind(), target.session()
    from latent_client import verbs

    call = verbs.sample(
        n, seed=seed, temperature=temperature, truncation=truncation, prior=prior, labels=_labels(labels, session)
    )
    _answer(target, session, call, kind, scale=scale)


def manifold(
    model: ModelArgument,
    *,
    n: Annotated[int, typer.Option("-n", "--n", metavar="N", help="Items a side.")] = 15,
    output: OutputOption = None,
    spacing: Annotated[
        Literal["quantile", "linear"], typer.Option("--spacing", help="Equally likely, or equally far apart.")
    ] = "quantile",
    low: Annotated[
        float | None, typer.Option("--low", metavar="Q", help="Lowest quantile (0.05).", show_default=False)
    ] = None,
    extent: Annotated[
        float | None,
        typer.Option("--extent", metavar="X", help="Deviations to each side, for linear (4).", show_default=False),
    ] = None,
    dims: Annotated[
        str | None, typer.Option("--dims", metavar="I,J", help="Dimensions that vary (0,1).", show_default=False)
    ] = None,
    z: Annotated[
        str | None,
        typer.Option("--z", metavar="X,X,...", help="The code held in the other dimensions.", show_default=False),
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", metavar="LABEL", help="Class, by name or index.", show_default=False)
    ] = None,
    scale: ScaleOption = None,
    as_json: JsonOption = False,
    store: StoreOption = DEFAULT_STORE,
    engine: EngineOption = "auto",
    url: UrlOption = None,
    timeout: TimeoutOption = 60.0,
) -> None:
    """A grid through two dimensions of the latent space."""
    target = Target(model, output, as_json, url, timeout, store, engine)
    kind, session = target.kind(), target.session()
    from latent_client import verbs

    call = verbs.manifold(
        n,
        spacing=spacing,
        low=low,
        extent=extent,
        dims=None if dims is None else _integers("--dims", dims),
        z=None if z is None else _numbers("--z", z),
        label=label,
    )
    _answer(target, session, call, kind, scale=scale)


# -- what they share ---------------------------------------------------------------------------------------


def _with_items(target: Target, files: Sequence[Path], label_column: str | None) -> tuple[Session, Items]:
    from latent.datasets import items_wanted
    from latent.items import read_items

    session = target.session()
    return session, read_items(files, items_wanted(lambda: session.manifest, label_column))


def _labels(text: str | None, session: Session, items: Items | None = None) -> list[int | str] | None:
    """Names and indices: those given, else what the files of a conditional model say."""
    from latent.labels import as_label, listed_labels

    if text is not None:
        return listed_labels(text, session.manifest)
    if items is None or items.labels is None or not session.manifest.input.conditional:
        return None
    return [as_label(label, session.manifest) for label in items.labels]


def _integers(option: str, text: str) -> list[int]:
    from latent.errors import CommandError

    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise CommandError(f"{option} takes integers separated by commas, not {text!r}") from error


def _numbers(option: str, text: str) -> list[float]:
    from latent.errors import CommandError

    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise CommandError(f"{option} takes numbers separated by commas, not {text!r}") from error


def _answer(
    target: Target,
    session: Session,
    call: Call[Any],
    kind: str | None,
    *,
    scale: int | None = None,
    fps: float | None = None,
) -> None:
    """Run the call; write or print what comes back."""
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
    """A table for people: the first rows and columns, with a word on what is left out."""
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
