"""`latent encode | decode | reconstruct | interpolate | sample | manifold`: the verbs and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from latent.options import DEFAULT_STORE, EngineOption, JsonOption, StoreOption
from latent.verb_run import Target, answer_call, integers, labels_of, numbers, with_items

_PANEL = "Latent space"


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

    session, items = with_items(target, files, label_column)
    call = verbs.encode(
        items.inputs, labels=labels_of(labels, session, items), sample=sample, seed=seed, fit=fit, invert=invert
    )
    answer_call(target, session, call, kind)


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
    call = verbs.decode(items.inputs, labels=labels_of(labels, session, items))
    answer_call(target, session, call, kind, scale=scale)


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

    session, items = with_items(target, files, label_column)
    call = verbs.reconstruct(
        items.inputs,
        labels=labels_of(labels, session, items),
        target_labels=labels_of(target_labels, session),
        threshold=threshold,
        quantile=quantile,
        error_map=error_map,
        fit=fit,
        invert=invert,
    )
    answer_call(target, session, call, kind, scale=scale)


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
        session, items = with_items(target, files, None)
    call = verbs.interpolate(
        None if codes else items.inputs,
        z=items.inputs if codes else None,
        steps=steps,
        method=method,
        space=space,
        labels=labels_of(labels, session),
        fit=fit,
        invert=invert,
    )
    answer_call(target, session, call, kind, scale=scale, fps=fps)


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
        n, seed=seed, temperature=temperature, truncation=truncation, prior=prior, labels=labels_of(labels, session)
    )
    answer_call(target, session, call, kind, scale=scale)


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
        dims=None if dims is None else integers("--dims", dims),
        z=None if z is None else numbers("--z", z),
        label=label,
    )
    answer_call(target, session, call, kind, scale=scale)
