"""`latent reproduce`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from latent.engine_check import serves_on_openvino
from latent.errors import CommandError
from latent.options import JsonOption
from latent.output import print_json, say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Training")(reproduce)


def reproduce(
    recipes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECIPE]...", help="All that are measured against a figure without it.", show_default=False
        ),
    ] = None,
    *,
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
    budget: Annotated[
        Literal["full", "quick"],
        typer.Option("--budget", help="quick: seconds a row on a few items, to see that it runs; nothing is kept."),
    ] = "full",
    again: Annotated[bool, typer.Option("--again", help="Redo rows that are finished.")] = False,
    results: Annotated[
        Path,
        typer.Option(
            "--results", metavar="DIR", help="Where results.json keeps finished rows and results.md shows them."
        ),
    ] = Path("docs"),
    store: Annotated[
        Path | None,
        typer.Option("--store", metavar="DIR", help="Keep the versions there; nowhere without it.", show_default=False),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show every run as latent train does.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train every system of the table and hold it against its published figure."""
    from training.reproduce import reproduce as run
    from training.reproduce import table

    shipped = {config.recipe: config.published for config in table(recipes or ())}

    def tell(text: str) -> None:
        if as_json:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()
        else:
            say(text)
            sys.stdout.flush()

    outcome = run(
        recipes or (),
        data_dir=data_dir,
        store=store,
        results=results,
        budget=budget,
        again=again,
        checks={"openvino": serves_on_openvino},
        tell=tell,
        progress=verbose,
    )
    if as_json:
        rows = []
        for row in outcome.rows:
            published = shipped[row.recipe]
            reached = None if published is None or budget == "quick" else row.reached(published)
            rows.append({**row.model_dump(mode="json"), "ours": row.ours, "reached": reached})
        print_json({"rows": rows, "failed": outcome.failed})
    if outcome.failed:
        raise CommandError(f"{len(outcome.failed)} of the rows could not be run: {', '.join(outcome.failed)}")
