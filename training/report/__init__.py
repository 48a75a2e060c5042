"""The report of a version: metrics, history, diagnosis and figures, written into `report/`."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from model_store.manifest import VectorInput
from training.diagnosis import Finding, Symptoms
from training.export import coordinates
from training.figures.codes import plot_along_curve, plot_codes, plot_joint
from training.figures.history import plot_history
from training.loop import kept_epoch
from training.manifold import widest
from training.recorder import Recorder
from training.report.animations import animations
from training.report.context import Context
from training.report.images import image_figures
from training.report.vectors import vector_figures
from training.runs import HistoryRow
from training.symptoms import along_curve, codes_along_curve

__all__ = ["Context", "write_report"]


def write_report(
    directory: Path,
    context: Context,
    history: Sequence[HistoryRow],
    patience: int,
    diagnosis: tuple[Symptoms, Sequence[Finding]],
    recorder: Recorder,
    *,
    pictures: bool = True,
) -> None:
    """Write metrics.json, history.csv and diagnosis.json; with `pictures` the figures and animations too."""
    directory.mkdir()
    _write_json(directory / "metrics.json", context.evaluation.metrics)
    symptoms, findings = diagnosis
    _write_json(
        directory / "diagnosis.json",
        {"findings": [asdict(finding) for finding in findings], "measured": asdict(symptoms)},
    )
    with (directory / "history.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(history[0]))
        writer.writeheader()
        writer.writerows(history)
    if pictures:
        _write_pictures(directory, context, history, patience, recorder)


def _write_pictures(
    directory: Path, context: Context, history: Sequence[HistoryRow], patience: int, recorder: Recorder
) -> None:
    plot_history(directory / "history.png", history, kept_epoch(history, patience))
    _codes(directory, context)
    if isinstance(context.data.spec, VectorInput):
        vector_figures(directory, context, context.data.spec)
    else:
        image_figures(directory, context)
    along = codes_along_curve(context.data, context.evaluation)
    if along is not None:
        codes, order = along
        plot_along_curve(directory / "unrolled.png", order, codes, along_curve(codes, order)[0])
    animations(directory, context, recorder)


def _codes(directory: Path, context: Context) -> None:
    evaluation, data = context.evaluation, context.data
    dimensions = context.model.latent_dim
    names = {1: ("z[0]", "items"), 2: ("z[0]", "z[1]")}.get(
        dimensions, ("first principal component", "second principal component")
    )
    points = coordinates(evaluation.train.z_mean, evaluation.test.z_mean)[:, :dimensions]
    plot_codes(directory / "codes.png", points, data.test.labels, data.spec.class_names, names)
    if dimensions > 1:
        two = widest(evaluation.train.z_mean)
        joint = evaluation.test.z_mean[:, two]
        plot_joint(
            directory / "joint.png", joint, data.test.labels, data.spec.class_names, (f"z[{two[0]}]", f"z[{two[1]}]")
        )


def _write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
