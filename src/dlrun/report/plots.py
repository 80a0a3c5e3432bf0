"""The rows of a training and the predictions of its model in, the plots of a report out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.report.drawing import SIZE, Drawing, drawn
from dlrun.runs.history import NOT_SCORES
from dlrun.runs.predictions import StoredPredictions
from dlrun.runs.record import BestRecord
from dlrun.signature import Target

Array = npt.NDArray[Any]
Rows = Sequence[Mapping[str, float | None]]

MOST_CURVES = 30
"""Scores that are drawn: of thousands nobody looks at the rest, which would take minutes."""
_WRITTEN_CLASSES = 15
_BARS, _BARS_OF_IMPORTANCE = 30, 15
_POINTS = 2000
_DOTS = ((100, 30, 0.75), (500, 16, 0.5), (_POINTS, 9, 0.25))
"""Up to how many points, the area of each in square points, and how opaque they are."""
_FEWEST_BINS, _MOST_BINS = 5, 50
_STEPS_OF_FORECAST = 240


def curve_names(rows: Rows) -> list[str]:
    """List the scores that have a curve: the loss first, then as the run has them."""
    return [name for name in rows[0] if name not in NOT_SCORES and not name.startswith("val_")] if rows else []


def learning_curves(rows: Rows, *, best: BestRecord | None = None) -> Iterator[Drawing]:
    """Draw one plot for the loss and one for each other score up to `MOST_CURVES`, training and validation together.

    Args:
        rows: Of metrics.jsonl.
        best: The best epoch, which is marked.
    """
    for name in curve_names(rows)[:MOST_CURVES]:

        def draw(axes: Any, name: str = name) -> None:
            for key, label in ((name, "training"), (f"val_{name}", "validation")):
                points = [(row["epoch"], row[key]) for row in rows if key in row]
                known = [value for _, value in points if value is not None]
                if known:  # where the score is undefined the line has a gap, and what stands alone a dot
                    marker = "o" if len(known) == 1 else "." if len(known) < len(points) else None
                    heights = [math.nan if value is None else value for _, value in points]
                    axes.plot([epoch for epoch, _ in points], heights, label=label, marker=marker)
            if best is not None and len(rows) > 1 and best.epoch <= (rows[-1]["epoch"] or 0):
                _mark_best(axes, best, name)
            axes.set_xlabel("epoch")
            axes.set_ylabel(name)
            axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            if len(rows) == 1:
                axes.set_xticks([rows[0]["epoch"]])
            axes.grid(visible=True)
            axes.legend()

        yield drawn(f"curve_{name}", name, draw)


def _mark_best(axes: Any, best: BestRecord, name: str) -> None:
    """Draw a line through the best epoch, and a dot on the curve that decided it."""
    axes.axvline(best.epoch, color="#57606a", linewidth=0.9, linestyle="--", label=f"best: epoch {best.epoch}")
    if best.metric.removeprefix("val_") == name and best.value is not None:
        axes.plot([best.epoch], [best.value], marker="o", color="#1f2328", markersize=5, linestyle="none")


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
        shown = [_short(name) for name in names]
        axes.set_xticks(range(len(names)), shown, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), shown)
        for (row, guess), count in np.ndenumerate(matrix):
            if count:
                colour = "white" if parts[row, guess] > 0.5 else "black"
                axes.text(guess, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=7)

    called = f"confusion_{number + 1}" if column else "confusion"
    yield drawn(called, f"confusion matrix {column}".rstrip(), draw, size=(SIZE[0], 4.2))


def roc(scores: Array, truth: Array, *, auc: float | None, positive: str) -> Iterator[Drawing]:
    """The receiver operating characteristic of two classes.

    Args:
        scores: Probabilities of the second class.
        truth: Whether it is that.
        auc: The area under the curve; None where the report has it already.
        positive: Name of the second class.

    Shape:
        scores, truth: `(k,)`.
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
        if auc is not None:
            axes.set_title(f"area {auc:.4f}")
        axes.grid(visible=True)

    yield drawn("roc", "ROC curve", draw)


def classes(
    truth: Array, found: Array, names: Sequence[str], *, number: int = 0, column: str = ""
) -> Iterator[Drawing]:
    """Draw how often each class is, and how often it is predicted.

    Args:
        truth: Class indices.
        found: Those that were predicted.
        names: Of the classes.
        number: Of the column, where there are several, from 0.
        column: Its name; empty: there is one.

    Shape:
        truth, found: `(k,)`.
    """
    if not 0 < len(names) <= _BARS:
        return
    counts = [np.bincount(each.astype(np.int64), minlength=len(names))[: len(names)] for each in (truth, found)]
    places = np.arange(len(names))

    def draw(axes: Any) -> None:
        for index, (heights, label) in enumerate(zip(counts, ("true", "predicted"), strict=True)):
            axes.barh(places + 0.4 * index - 0.2, heights, height=0.4, label=label)
        axes.set_yticks(places, [_short(name) for name in names])
        axes.invert_yaxis()
        axes.set_xlabel("examples")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)

    called = f"distribution_{number + 1}" if column else "distribution"
    height = min(4.2, 1.4 + 0.22 * len(names))
    yield drawn(called, f"how often each class is {column}".rstrip(), draw, size=(SIZE[0], height))


def values(predictions: StoredPredictions, target: Target) -> Iterator[Drawing]:
    """Draw predictions against truth, how both are spread, and what is left: for each value, of at most three."""
    outputs = predictions.outputs
    truth = predictions.target.reshape(outputs.shape)
    points = np.linspace(0, len(outputs) - 1, min(len(outputs), _POINTS)).astype(int)
    for index in range(min(outputs.shape[1], 3)):
        name = target.names[index] if index < len(target.names) else f"value {index + 1}"
        suffix = "" if outputs.shape[1] == 1 else f"_{index + 1}"
        found, true = outputs[:, index], truth[:, index]

        def against(axes: Any, found: Array = found[points], true: Array = true[points], name: str = name) -> None:
            ends = [min(found.min(), true.min()), max(found.max(), true.max())]
            axes.plot(ends, ends, color="#57606a", linewidth=1)
            size, alpha = next(look for most, *look in _DOTS if len(true) <= most)
            axes.scatter(true, found, s=size, alpha=alpha, linewidths=0)
            axes.set_xlabel(f"true {name}")
            axes.set_ylabel("predicted")
            axes.grid(visible=True)

        def spread(axes: Any, found: Array = found, true: Array = true, name: str = name) -> None:
            _histogram(axes, true, found, labels=("true", "predicted"))
            axes.set_xlabel(name)
            axes.set_ylabel("examples")
            axes.legend()

        def residuals(axes: Any, left: Array = found - true, name: str = name) -> None:
            _histogram(axes, left)
            axes.axvline(0, color="#57606a", linewidth=1)
            axes.set_xlabel(f"predicted less true {name}")
            axes.set_ylabel("examples")

        yield drawn(f"predicted{suffix}", f"predicted against true {name}", against)
        yield drawn(f"distribution{suffix}", f"distribution of {name}", spread)
        yield drawn(f"residuals{suffix}", f"residuals of {name}", residuals)


def forecast(predictions: StoredPredictions, target: Target) -> Iterator[Drawing]:
    """Draw the first step of each forecast against what came, and against the last value before it."""
    outputs, truth = predictions.outputs, predictions.target.reshape(predictions.outputs.shape)
    count = min(len(outputs), _STEPS_OF_FORECAST)
    name = target.names[0] if target.names else "value"
    times = _time_axis(predictions.times[:count]) if len(predictions.times) == len(outputs) else None

    def draw(axes: Any) -> None:
        at = np.arange(count) if times is None else times
        axes.plot(at, truth[:count, 0], label="true", color="#57606a", linewidth=1.2)
        axes.plot(at, outputs[:count, 0], label="forecast")
        axes.plot(at, predictions.naive[:count, 0], label="last value", linewidth=0.8, linestyle=":")
        axes.set_xlabel(f"first {count} steps of the split" if times is None else "")
        axes.set_ylabel(name)
        axes.legend(loc="upper left")
        axes.grid(visible=True)
        if times is not None and times.dtype.kind == "M":
            _write_dates(axes)

    yield drawn("forecast", f"forecast of {name}", draw, size=(7.0, 3.1))


def _time_axis(times: Array) -> Array | None:
    """Return times to draw along; None where they are none, or are not in order."""
    numbers = times.astype(np.float64) if times.dtype.kind in "if" else np.zeros(0)
    if not len(numbers) or not np.isfinite(numbers).all() or (np.diff(numbers) < 0).any():
        return None
    if times.dtype.kind == "f":
        return times
    first, last = (np.datetime64(f"{year}-01-01", "s").astype(np.int64) for year in (1000, 9000))
    return times.astype("datetime64[s]") if first <= times[0] <= times[-1] <= last else None


def _write_dates(axes: Any) -> None:
    from matplotlib import dates

    untyped: Any = dates
    locator = untyped.AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(untyped.ConciseDateFormatter(locator))


def importances(columns: Sequence[str], rises: Array, *, measure: str) -> Iterator[Drawing]:
    """Draw how much worse the predictions get when the values of each column are exchanged: the most important first.

    Shape:
        rises: `(columns,)`.
    """
    order = np.argsort(-rises, kind="stable")[:_BARS_OF_IMPORTANCE]

    def draw(axes: Any) -> None:
        axes.barh(np.arange(len(order)), rises[order])
        axes.set_yticks(np.arange(len(order)), [_short(columns[place], 24) for place in order])
        axes.invert_yaxis()
        axes.set_xlabel(f"{measure} rises by, when the column is shuffled")
        axes.axvline(0, color="#57606a", linewidth=1)

    height = min(4.2, 1.1 + 0.24 * len(order))
    yield drawn("importances", "what the predictions rest on", draw, size=(SIZE[0], height))


def errors(found: Array) -> Iterator[Drawing]:
    """Draw how the reconstruction errors of an autoencoder are distributed."""

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


def _histogram(axes: Any, *samples: Array, labels: Sequence[str] = ("",)) -> None:
    """Draw samples in bins that they share, more bins of more values."""
    finite = [values[np.isfinite(values)].astype(np.float64) for values in samples]
    together = np.concatenate(finite)
    differ = len(together) > 0 and np.ptp(together) > 1e-6 * np.abs(together).max()  # else nothing is between bins
    # The Rice rule.
    bins = int(np.clip(round(2 * len(finite[0]) ** (1 / 3)), _FEWEST_BINS, _MOST_BINS)) if differ else 1
    edges = np.histogram_bin_edges(together, bins=bins) if len(together) else [0, 1]
    for index, (values, label) in enumerate(zip(finite, labels, strict=True)):
        looks = {"histtype": "step", "linewidth": 1.8} if index else {"alpha": 1.0 if len(finite) == 1 else 0.45}
        axes.hist(values, bins=edges, label=label, **looks)


def _short(name: str, letters: int = 14) -> str:
    return name if len(name) <= letters else name[: letters - 1] + "…"
