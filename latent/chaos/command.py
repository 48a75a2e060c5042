"""`latent chaos`: the command."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from latent.output import print_table, say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Serving")(chaos)


def chaos(
    url: Annotated[str, typer.Argument(metavar="URL", help="Address of a running service.", show_default=False)],
    *,
    seconds: Annotated[float, typer.Option("--seconds", min=1.0, max=86_400.0, help="How long.")] = 30.0,
    connections: Annotated[int, typer.Option("--connections", min=2, max=256, help="Clients at once.")] = 8,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of everything that is drawn.")] = 1,
    max_gap_s: Annotated[
        float, typer.Option("--max-gap-s", min=0.01, help="The longest wait that is allowed for /livez.")
    ] = 2.0,
) -> None:
    """Load a running service with good and misbehaving clients, and say whether it behaved.

    Exit code 0: it did; 1: a bound is broken, and a line says which.
    """
    from latent.chaos.bounds import broken_by_answers, broken_by_gaps
    from latent.chaos.load import Load, learn
    from latent.chaos.probe import Probe
    from latent.chaos.report import REQUESTS, rows_of, sentences_of, verdict
    from latent.chaos.tally import Tally
    from latent.chaos.target import Target

    target = Target.learn(url)
    served = ", ".join(f"{model.name}@{model.version}" for model in target.models)
    say(
        f"latent chaos loads {target.address.url} ({served}) for {seconds:g} s with {connections} clients, some of them"
    )
    say(
        "hostile: large bodies, pictures that announce millions of pixels, connections that are cut. It changes nothing"
    )
    say("there, but others who use the service now will wait.")
    sys.stdout.flush()
    load = Load.of(target, *learn(target, seed), connections=connections, seed=seed)
    tally = Tally()
    with Probe(target.address) as probe:
        end = time.monotonic() + seconds
        load.run(tally, lambda: time.monotonic() >= end)
    print_table(REQUESTS, rows_of(tally), folding=["statuses"])
    broken = [*broken_by_answers(tally), *broken_by_gaps(probe.gaps, max_gap_s)]
    for line in ("", *sentences_of(tally, probe.gaps), *verdict(broken)):
        say(line)
    if broken:
        raise typer.Exit(1)
