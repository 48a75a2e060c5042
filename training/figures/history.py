"""Plot of the loss through training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.figures.style import DATA, MODEL, label, save


def plot_history(path: Path, rows: Sequence[Mapping[str, float]], kept_epoch: int) -> None:
    """Plot the loss and its terms over the epochs."""
    epochs = [row["epoch"] for row in rows]
    has_kl = any(row["kl"] for row in rows)
    figure = Figure((10 if has_kl else 5.5, 4), layout="constrained")
    axes = figure.subplots(1, 2 if has_kl else 1, squeeze=False)[0]
    _curves(axes[0], epochs, rows, {"loss": "training", "val_loss": "validation"}, "Loss", "nats per item")
    axes[0].axvline(kept_epoch, color=DATA, linestyle=":", label=f"weights kept (epoch {kept_epoch})")
    axes[0].legend()
    if has_kl:
        names = {"val_nll": "nll, validation", "val_kl": "kl, validation"}
        _curves(axes[1], epochs, rows, names, "Its terms: loss = nll + beta · kl", "nats per item")
    save(figure, path)


def _curves(
    axis: Axes,
    epochs: Sequence[float],
    rows: Sequence[Mapping[str, float]],
    names: Mapping[str, str],
    title: str,
    unit: str,
) -> None:
    for (key, name), colour in zip(names.items(), (DATA, MODEL), strict=False):
        axis.plot(epochs, [row[key] for row in rows], color=colour, label=name)
    values = np.array([[row[key] for key in names] for row in rows])
    later = values[len(values) // 20 :]
    margin = 0.05 * float(np.ptp(later)) or 1.0
    # The first epochs would flatten all that follows.
    axis.set_ylim(float(later.min()) - margin, float(later.max()) + margin)
    label(axis, "epoch", unit, title)
    axis.legend()
