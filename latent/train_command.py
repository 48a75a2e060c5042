"""`latent recipes` and `latent train`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from latent.errors import CommandError
from latent.options import DEFAULT_STORE, JsonOption, StoreOption
from latent.output import print_json, print_table, say

_PANEL = "Training"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel=_PANEL)(recipes)
    app.command(rich_help_panel=_PANEL)(train)


def recipes(*, as_json: JsonOption = False) -> None:
    """What `latent train` can train."""
    from training import load_recipe, recipe_names

    listed = [_described(load_recipe(name).model_dump(mode="json")) for name in recipe_names()]
    if as_json:
        print_json({"recipes": listed})
        return
    columns = ["recipe", "data", "network", "code", "intended_use"]
    rows = [[row[column] for column in columns] for row in listed]
    print_table([column.replace("_", " ") for column in columns], rows, folding=["intended use"])


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="See latent recipes.", show_default=False)],
    *,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="SPEC",
            help="mnist-5k, mnist, fashion-mnist, sine, or a path: a directory of pictures or IDX files, a .npy, .npz,"
            " .csv or .parquet. The recipe's own without it.",
            show_default=False,
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir",
            metavar="DIR",
            envvar="LATENT_DATA_DIR",
            help="Where mnist/ and fashion-mnist/ are looked for before any download.",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set any of the recipe's settings, such as latent.dim=8."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="The model's name; the recipe's without it.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", metavar="N", help="Passes through the data.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Of everything random.", show_default=False)
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False,
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            "--tensorboard",
            metavar="DIR",
            help="Write logs for TensorBoard below DIR: tensorboard --logdir DIR shows them.",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Train a recipe and publish the result to the store."""
    import training

    config = training.configure(
        recipe, data=data, data_dir=data_dir, settings=_settings(settings or []), epochs=epochs, seed=seed
    )
    result = training.train(
        config,
        store=store,
        name=name,
        resume=resume,
        checks={"openvino": serves_on_openvino},
        progress=True,
        tensorboard=tensorboard,
    )
    manifest = result.manifest
    reference, directory = f"{manifest.name}@{manifest.version}", store / manifest.name / str(manifest.version)
    if as_json:
        print_json(
            {
                "name": manifest.name,
                "version": manifest.version,
                "directory": str(directory),
                "report": str(result.report),
                "engines": list(manifest.engines),
                "metrics": {key: {"model": ours, "pca": pca} for key, (ours, pca) in result.metrics.items()},
                "findings": [asdict(finding) for finding in result.findings],
            }
        )
        return
    elsewhere = "" if store == DEFAULT_STORE else f" --store {store}"
    say(f"{reference} is in {directory}, its figures in {result.report}")
    for finding in result.findings:
        say(f"Diagnosis: {finding.text}")
    if not result.findings:
        say("Diagnosis: nothing is wrong that the report's rules know of")
    say(f"Next: latent serve{elsewhere}")


def _settings(pairs: list[str]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise CommandError(f"--set takes KEY=VALUE, such as latent.dim=8, not {pair!r}")
        settings[key.strip()] = value.strip()
    return settings


def serves_on_openvino(directory: Path, body: Any) -> None:  # noqa: ANN401 - ManifestBody, imported only to train
    """Whether the default engine reproduces a staged version. Raises a StoreError where it does not."""
    from service.loaded_version import check_directory

    check_directory("openvino", directory, body)


def _described(recipe: dict[str, Any]) -> dict[str, Any]:
    latent = recipe["latent"]
    return {
        "recipe": recipe["recipe"],
        "data": recipe["data"]["source"],
        "network": recipe["model"]["builder"],
        "code": f"{latent['dim']} {latent['distribution']}",
        "intended_use": recipe["intended_use"],
        "settings": recipe,
    }
