"""The rows of a training and the predictions of its model in, the plots of a report out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.report.drawing import SIZE, Drawing, drawn
from dlrun.runs.history import COLUMNS
from dlrun.runs.predictions import Predictions
from dlrun.signature import Target

Array = npt.NDArray[Any]
Rows = Sequence[Mapping[str, float | None]]

_WRITTEN_CLASSES = 15
_POINTS = 2000
_STEPS_OF_FORECAST = 240


def learning_curves(rows: Rows) -> Iterator[Drawing]:
    """One plot for the loss and one for each other score, training and validation together."""
    if not rows:
        return
    names = [name for name in rows[0] if name not in COLUMNS and not name.startswith("val_")]
    for name in names:

        def draw(axes: Any, name: str = name) -> None:
            for key, label in ((name, "training"), (f"val_{name}", "validation")):
                points = [(row["epoch"], value) for row in rows if (value := row.get(key)) is not None]
                if points:
                    axes.plot(*zip(*points, strict=True), label=label, marker="o" if len(points) == 1 else None)
            axes.set_xlabel("epoch")
            axes.set_ylabel(name)
            axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            if len(rows) == 1:
                axes.set_xticks([rows[0]["epoch"]])
            axes.grid(visible=True)
            axes.legend()

        yield drawn(f"curve_{name}", name, draw)


def learning_rate(rows: Rows) -> Iterator[Drawing]:
    """The learning rate after each epoch, if it changed."""
    points = [(row["epoch"], value) for row in rows if (value := row.get("learning_rate")) is not None]
    if len({value for _, value in points}) > 1:

        def draw(axes: Any) -> None:
            axes.plot(*zip(*points, strict=True))
            axes.set_xlabel("epoch")
            axes.set_ylabel("learning rate")
            axes.grid(visible=True)

        yield drawn("learning_rate", "learning rate", draw)


def time_spent(seconds: Mapping[str, float]) -> Iterator[Drawing]:
    """Where the seconds of the run went."""
    if not seconds:
        return

    def draw(axes: Any) -> None:
        bars = axes.barh(list(seconds), list(seconds.values()))
        axes.bar_label(bars, fmt="%.1f s", padding=3)
        axes.invert_yaxis()
        axes.set_xlabel("seconds")
        axes.margins(x=0.18)

    yield drawn("time", "where the time went", draw, size=(SIZE[0], 2.3))


def confusion(matrix: Array, names: Sequence[str], *, number: int = 0, column: str = "") -> Iterator[Drawing]:
    """The confusion matrix: of each true class, which part was taken for what.

    Args:
        matrix: Counts.
        names: Of the classes.
        number: Of the column, where there are several, from 0.
        column: Its name; empty: there is one.

    Shape:
        matrix: `(classes, classes)` counts; rows are the true classes.
    """
    parts = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    few = len(names) <= _WRITTEN_CLASSES

    def draw(axes: Any) -> None:
        axes.imshow(parts, cmap="Blues", vmin=0, vmax=1)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        if not few:
            return
        shown = [name if len(name) <= 14 else name[:13] + "…" for name in names]  # noqa: PLR2004
        axes.set_xticks(range(len(names)), shown, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), shown)
        for (row, guess), count in np.ndenumerate(matrix):
            if count:
                colour = "white" if parts[row, guess] > 0.5 else "black"  # noqa: PLR2004
                axes.text(guess, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=7)

    called = f"confusion_{number + 1}" if column else "confusion"
    yield drawn(called, f"confusion matrix {column}".rstrip(), draw, size=(SIZE[0], 4.2))


def roc(scores: Array, truth: Array, *, auc: float, positive: str) -> Iterator[Drawing]:
    """The receiver operating characteristic of two classes.

    Shape:
        scores, truth: `(k,)`: the probability of the second class, and whether it is that.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    alarms = np.cumsum(1 - truth[order])
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color="#d0d7de")
        axes.plot([0, *(alarms[ends] / max(1, alarms[-1]))], [0, *(hits[ends] / max(1, hits[-1]))])
        axes.set_xlabel(f"false positive rate of {positive}")
        axes.set_ylabel("true positive rate")
        axes.set_title(f"area {auc:.4f}")
        axes.grid(visible=True)

    yield drawn("roc", "ROC curve", draw)


def values(predictions: Predictions, target: Target) -> Iterator[Drawing]:
    """Predictions against truth, and what is left: for each value, of at most three."""
    outputs = predictions.outputs
    truth = predictions.target.reshape(outputs.shape)
    points = np.linspace(0, len(outputs) - 1, min(len(outputs), _POINTS)).astype(int)
    for index in range(min(outputs.shape[1], 3)):
        name = target.names[index] if index < len(target.names) else f"value {index + 1}"
        suffix = "" if outputs.shape[1] == 1 else f"_{index + 1}"
        found, true = outputs[points, index], truth[points, index]

        def against(axes: Any, found: Array = found, true: Array = true, name: str = name) -> None:
            ends = [min(found.min(), true.min()), max(found.max(), true.max())]
            axes.plot(ends, ends, color="#57606a", linewidth=1)
            axes.scatter(true, found, s=9, alpha=0.35, linewidths=0)
            axes.set_xlabel(f"true {name}")
            axes.set_ylabel("predicted")
            axes.grid(visible=True)

        def residuals(axes: Any, left: Array = found - true, name: str = name) -> None:
            _histogram(axes, left)
            axes.axvline(0, color="#57606a", linewidth=1)
            axes.set_xlabel(f"predicted less true {name}")
            axes.set_ylabel("examples")

        yield drawn(f"predicted{suffix}", f"predicted against true {name}", against)
        yield drawn(f"residuals{suffix}", f"residuals of {name}", residuals)


def forecast(predictions: Predictions, target: Target) -> Iterator[Drawing]:
    """The first step of each forecast against what came, and against the last value before it."""
    outputs, truth = predictions.outputs, predictions.target.reshape(predictions.outputs.shape)
    count = min(len(outputs), _STEPS_OF_FORECAST)
    name = target.names[0] if target.names else "value"

    def draw(axes: Any) -> None:
        axes.plot(truth[:count, 0], label="true", color="#57606a", linewidth=1.2)
        axes.plot(outputs[:count, 0], label="forecast")
        axes.plot(predictions.naive[:count, 0], label="last value", linewidth=0.8, linestyle=":")
        axes.set_xlabel(f"first {count} steps of the split")
        axes.set_ylabel(name)
        axes.legend(loc="upper right")
        axes.grid(visible=True)

    yield drawn("forecast", f"forecast of {name}", draw, size=(7.0, 3.1))


def errors(found: Array) -> Iterator[Drawing]:
    """How the reconstruction errors of an autoencoder are distributed."""

    def draw(axes: Any) -> None:
        _histogram(axes, found)
        axes.set_xlabel("mean squared error of an example")
        axes.set_ylabel("examples")

    yield drawn("errors", "reconstruction errors", draw)


def vectors(originals: Array, reconstructions: Array) -> Iterator[Drawing]:
    """Some inputs of an autoencoder that are no pictures, and what became of them."""

    def draw(axes: Any) -> None:
        width = int(np.prod(originals.shape[1:]))
        for index, (original, again) in enumerate(zip(originals[:3], reconstructions[:3], strict=True)):
            places = np.arange(width) + index * width
            axes.plot(places, original.reshape(-1), color="#57606a", label="input" if index == 0 else None)
            axes.plot(places, again.reshape(-1), color="#1f6feb", label="reconstruction" if index == 0 else None)
        axes.set_xlabel("features of three examples, one after another")
        axes.legend()

    yield drawn("reconstructions", "inputs and reconstructions", draw, size=(7.0, 3.1))


def _histogram(axes: Any, values: Array) -> None:
    finite = values[np.isfinite(values)].astype(np.float64)
    differ = len(finite) > 0 and np.ptp(finite) > 1e-6 * np.abs(finite).max()  # else there is nothing between bins
    axes.hist(finite, bins=40 if differ else 1)
