"""Draws the chart of docs/performance.md: requests a second of Latent, the naive service and the empty route.

    python -m benchmarks.serving.chart

Draws docs/images/requests.png from docs/performance.json. A whole run of the benchmark also draws it.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.serving.children import ROOT
from benchmarks.serving.figures import Figures, spread
from benchmarks.serving.models import DENSE
from benchmarks.serving.results import read_results
from benchmarks.serving.servers import EMPTY, LATENT, NAIVE

RESULTS = ROOT / "docs" / "performance.json"
CHART = ROOT / "docs" / "images" / "requests.png"
CONNECTIONS = (1, 16, 64)
BODIES = (("json", "JSON"), ("npy", "npy"))
SERVERS = (
    (LATENT, "Latent", "tab:blue"),
    (EMPTY, "empty FastAPI route: no model, body not read", "0.7"),
    (NAIVE, "naive service: FastAPI, pydantic, TensorFlow", "tab:orange"),
)
_WIDTH = 0.3
"""Width of a bar. Groups of three bars are 1 apart."""


def draw(figures: Figures, path: Path) -> None:
    """Draw a panel for each body format, with a group of bars for each number of connections.

    Raises KeyError where a figure is missing.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MultipleLocator

    with mpl.rc_context({"font.size": 9.0}):
        figure = Figure(figsize=(9.5, 3.6), layout="constrained")
        for axes, (body, title) in zip(figure.subplots(1, len(BODIES), sharey=True), BODIES, strict=True):
            for column, (server, label, colour) in enumerate(SERVERS):
                names = [f"{server}/{DENSE}/encode/{body}/1x{count}/requests_per_s" for count in CONNECTIONS]
                medians = [spread(figures[name]).median for name in names]
                places = [group + (column - 1) * _WIDTH for group in range(len(CONNECTIONS))]
                bars = axes.bar(places, medians, _WIDTH, color=colour, label=label)
                axes.bar_label(bars, labels=[f"{median:,.0f}" for median in medians], fontsize=7, padding=2)
            axes.set(title=f"encode, one image a request, {title}", xlabel="connections")
            axes.set_xticks(range(len(CONNECTIONS)), [str(count) for count in CONNECTIONS])
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_axisbelow(True)
            axes.grid(axis="y", alpha=0.3)
            axes.yaxis.set_major_formatter("{x:,.0f}")
        first = figure.axes[0]
        first.yaxis.set_major_locator(MultipleLocator(5_000))
        first.set_ylabel("requests a second, one CPU")
        first.legend(frameon=False, loc="upper left")
        figure.savefig(path, dpi=150)


if __name__ == "__main__":
    draw(read_results(RESULTS).figures(), CHART)
