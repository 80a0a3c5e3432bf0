"""The plots of a report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.report.drawing import SIZE, Drawing, draw_figure
from dlrun.runs.history import NOT_SCORES
from dlrun.runs.predictions import StoredPredictions
from dlrun.runs.record import BestRecord
from dlrun.scoring.breakdown import shown_count
from dlrun.scoring.classification import ratio
from dlrun.signature import Target

Array = npt.NDArray[Any]
Rows = Sequence[Mapping[str, float | None]]

MOST_CURVES = 30
"""Maximum number of scores to draw; drawing thousands would take minutes."""
_WRITTEN_CLASSES = 15
_BARS, _BARS_OF_IMPORTANCE = 30, 15
_POINTS = 2000
_DOTS = ((100, 30, 0.75), (500, 16, 0.5), (_POINTS, 9, 0.25))
"""Maximum number of points, with the area of each dot in square points and its opacity."""
_FEWEST_BINS, _MOST_BINS = 5, 50
_STEPS_OF_FORECAST = 240


def curve_names(rows: Rows) -> list[str]:
    """Return the scores that have a curve, in the order of the run with the loss first."""
    return [name for name in rows[0] if name not in NOT_SCORES and not name.startswith("val_")] if rows else []


def learning_curves(rows: Rows, *, best: BestRecord | None = None) -> Iterator[Drawing]:
    """Draw a plot for the loss and each other score up to `MOST_CURVES`, with training and validation together.

    Args:
        rows: Rows of metrics.jsonl.
        best: Best epoch, which is marked.
    """
    for name in curve_names(rows)[:MOST_CURVES]:

        def draw(axes: Any, name: str = name) -> None:
            for key, label in ((name, "training"), (f"val_{name}", "validation")):
                points = [(row["epoch"], row[key]) for row in rows if key in row]
                known = [value for _, value in points if value is not None]
                if known:  # undefined scores leave a gap in the line; single points get a marker
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

        yield draw_figure(f"curve_{name}", name, draw)


def _mark_best(axes: Any, best: BestRecord, name: str) -> None:
    """Draw a line at the best epoch, and a dot on the curve that it was selected by."""
    axes.axvline(best.epoch, color="#57606a", linewidth=0.9, linestyle="--", label=f"best: epoch {best.epoch}")
    if best.metric.removeprefix("val_") == name and best.value is not None:
        axes.plot([best.epoch], [best.value], marker="o", color="#1f2328", markersize=5, linestyle="none")


def learning_rate(rows: Rows) -> Iterator[Drawing]:
    """Draw the learning rate after each epoch, if it changed."""
    points = [(row["epoch"], value) for row in rows if (value := row.get("learning_rate")) is not None]
    if len({value for _, value in points}) > 1:

        def draw(axes: Any) -> None:
            axes.plot(*zip(*points, strict=True))
            axes.set_xlabel("epoch")
            axes.set_ylabel("learning rate")
            axes.grid(visible=True)

        yield draw_figure("learning_rate", "learning rate", draw)


def time_spent(seconds: Mapping[str, float]) -> Iterator[Drawing]:
    """Draw the seconds spent in each phase of the run."""
    if not seconds:
        return

    def draw(axes: Any) -> None:
        bars = axes.barh(list(seconds), list(seconds.values()))
        axes.bar_label(bars, fmt="%.1f s", padding=3)
        axes.invert_yaxis()
        axes.set_xlabel("seconds")
        axes.margins(x=0.18)

    yield draw_figure("time", "where the time went", draw, size=(SIZE[0], 2.3))


def confusion(
    matrix: Array, names: Sequence[str], *, number: int = 0, column: str = "", of_pixels: bool = False
) -> Iterator[Drawing]:
    """Draw the confusion matrix, colored by the fraction of each true class.

    Args:
        matrix: Number of examples, or sum of their weights, for each pair of true and predicted class.
        names: Names of the classes.
        number: Index of the class column.
        column: Name of the class column; empty if the target is a single class.
        of_pixels: Whether it counts pixels, which are so many that their percentages are shown instead.

    Shape:
        matrix: `(classes, classes)` counts; rows are the true classes.
    """
    # By counts, a rare class would look pale even if all of its examples are right.
    parts = ratio(matrix, matrix.sum(axis=1, keepdims=True), otherwise=0.0)
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
                shown_as = _percentage(float(parts[row, guess])) if of_pixels else shown_count(count)
                axes.text(guess, row, shown_as, ha="center", va="center", color=colour, fontsize=7)

    called = f"confusion_{number + 1}" if column else "confusion"
    title = "confusion matrix: % of the pixels of each true class" if of_pixels else f"confusion matrix {column}"
    yield draw_figure(called, title.rstrip(), draw, size=(SIZE[0], 4.2))


def roc(
    scores: Array, truth: Array, *, auc: float | None, positive: str, weights: Array | None = None
) -> Iterator[Drawing]:
    """Draw the ROC curve of two classes.

    Args:
        scores: Probabilities of the second class.
        truth: 1 for examples of the second class, 0 for others.
        auc: Area under the curve; None if the report shows it elsewhere.
        positive: Name of the second class.
        weights: What each example counts; None if all count once.

    Shape:
        scores, truth, weights: `(k,)`.
    """
    order = np.argsort(-scores, kind="stable")
    weight = np.ones(len(truth)) if weights is None else weights.astype(np.float64)
    hits = np.cumsum((weight * truth)[order])
    alarms = np.cumsum((weight * (1 - truth))[order])
    # Examples with equal scores pass a threshold together, so only the last of them is a point of the curve.
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color="#d0d7de")
        axes.plot([0, *(alarms[ends] / (alarms[-1] or 1))], [0, *(hits[ends] / (hits[-1] or 1))])
        axes.set_xlabel(f"false positive rate of {positive}")
        axes.set_ylabel("true positive rate")
        if auc is not None:
            axes.set_title(f"area {auc:.4f}")
        axes.grid(visible=True)

    yield draw_figure("roc", "ROC curve", draw)


def classes(
    truth: Array, found: Array, names: Sequence[str], *, number: int = 0, column: str = ""
) -> Iterator[Drawing]:
    """Draw how often each class occurs and how often it is predicted.

    Args:
        truth: True class indices.
        found: Predicted class indices.
        names: Names of the classes.
        number: Index of the class column.
        column: Name of the class column; empty if the target is a single class.

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
    yield draw_figure(called, f"class frequencies {column}".rstrip(), draw, size=(SIZE[0], height))


def values(predictions: StoredPredictions, target: Target) -> Iterator[Drawing]:
    """Draw predictions against truth, the distributions of both, and the residuals, for up to three values."""
    outputs = predictions.outputs
    truth = predictions.target.reshape(outputs.shape)
    # Evenly spaced examples: more dots would only cover each other and make the SVG large.
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

        yield draw_figure(f"predicted{suffix}", f"predicted against true {name}", against)
        yield draw_figure(f"distribution{suffix}", f"distribution of {name}", spread)
        yield draw_figure(f"residuals{suffix}", f"residuals of {name}", residuals)


def forecast(predictions: StoredPredictions, target: Target) -> Iterator[Drawing]:
    """Draw the first step of each forecast with the true values and the naive forecast."""
    outputs, truth = predictions.outputs, predictions.target.reshape(predictions.outputs.shape)
    count = min(len(outputs), _STEPS_OF_FORECAST)
    name = target.names[0] if target.names else "value"
    times = _time_axis(predictions.times[:count]) if len(predictions.times) == len(outputs) else None

    def draw(axes: Any) -> None:
        at = np.arange(count) if times is None else times
        axes.plot(at, truth[:count, 0], label="true", color="#57606a", linewidth=1.2)
        axes.plot(at, outputs[:count, 0], label="forecast")
        axes.plot(at, predictions.naive[:count, 0], label="naive forecast", linewidth=0.8, linestyle=":")
        axes.set_xlabel(f"first {count} steps of the split" if times is None else "")
        axes.set_ylabel(name)
        axes.legend(loc="upper left")
        axes.grid(visible=True)
        if times is not None and times.dtype.kind == "M":
            _write_dates(axes)

    yield draw_figure("forecast", f"forecast of {name}", draw, size=(7.0, 3.1))


def _time_axis(times: Array) -> Array | None:
    """Return times for the x-axis; None if they are not valid times or not in order."""
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
    """Draw the permutation importance of each column, most important first.

    Shape:
        rises: `(columns,)`.
    """
    order = np.argsort(-rises, kind="stable")[:_BARS_OF_IMPORTANCE]

    def draw(axes: Any) -> None:
        axes.barh(np.arange(len(order)), rises[order])
        axes.set_yticks(np.arange(len(order)), [_short(columns[place], 24) for place in order])
        axes.invert_yaxis()
        axes.set_xlabel(f"increase of {measure} when the column is shuffled")
        axes.axvline(0, color="#57606a", linewidth=1)

    height = min(4.2, 1.1 + 0.24 * len(order))
    yield draw_figure("importances", "permutation importance of each column", draw, size=(SIZE[0], height))


def overlaps(found: Array) -> Iterator[Drawing]:
    """Draw the distribution of the mean IoU of each image, which may be undefined for some."""

    def draw(axes: Any) -> None:
        _histogram(axes, found)
        axes.set_xlabel("mean IoU of an image")
        axes.set_ylabel("images")

    yield draw_figure("overlaps", "mean IoU of each image", draw)


def errors(found: Array) -> Iterator[Drawing]:
    """Draw the distribution of the reconstruction errors of an autoencoder."""

    def draw(axes: Any) -> None:
        _histogram(axes, found)
        axes.set_xlabel("mean squared error of an example")
        axes.set_ylabel("examples")

    yield draw_figure("errors", "reconstruction errors", draw)


def vectors(originals: Array, reconstructions: Array) -> Iterator[Drawing]:
    """Draw some inputs of an autoencoder that are not pictures, with their reconstructions."""

    def draw(axes: Any) -> None:
        width = int(np.prod(originals.shape[1:]))
        for index, (original, again) in enumerate(zip(originals[:3], reconstructions[:3], strict=True)):
            places = np.arange(width) + index * width
            axes.plot(places, original.reshape(-1), color="#57606a", label="input" if index == 0 else None)
            axes.plot(places, again.reshape(-1), color="#1f6feb", label="reconstruction" if index == 0 else None)
        axes.set_xlabel("features of three examples, one after another")
        axes.legend()

    yield draw_figure("reconstructions", "inputs and reconstructions", draw, size=(7.0, 3.1))


def _histogram(axes: Any, *samples: Array, labels: Sequence[str] = ("",)) -> None:
    """Draw histograms of samples with shared bins."""
    finite = [values[np.isfinite(values)].astype(np.float64) for values in samples]
    together = np.concatenate(finite)
    differ = (
        len(together) > 0 and np.ptp(together) > 1e-6 * np.abs(together).max()
    )  # nearly constant values would make bins narrower than their rounding
    # The Rice rule for the number of bins: 2 n^(1/3).
    bins = int(np.clip(round(2 * len(finite[0]) ** (1 / 3)), _FEWEST_BINS, _MOST_BINS)) if differ else 1
    edges = np.histogram_bin_edges(together, bins=bins) if len(together) else [0, 1]
    for index, (values, label) in enumerate(zip(finite, labels, strict=True)):
        looks = {"histtype": "step", "linewidth": 1.8} if index else {"alpha": 1.0 if len(finite) == 1 else 0.45}
        axes.hist(values, bins=edges, label=label, **looks)


def _percentage(part: float) -> str:
    """Return a percentage in few characters, which is not 0 and not 100 unless the part is 0 or 1."""
    percentage = 100 * part
    if 99.95 <= percentage < 100:
        return ">99.9"
    return "<0.1" if percentage < 0.05 else f"{percentage:.0f}" if percentage == 100 else f"{percentage:.1f}"


def _short(name: str, letters: int = 14) -> str:
    return name if len(name) <= letters else name[: letters - 1] + "…"
