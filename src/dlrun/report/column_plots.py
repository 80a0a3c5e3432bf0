"""The plots of a report about the columns of the data: scores by group, importance, and partial dependence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.report.drawing import COLOURS, SIZE, Drawing, draw_figure
from dlrun.runs.predictions import StoredPredictions
from dlrun.scoring.slices import ColumnSlices

Array = npt.NDArray[Any]

_SOFT = "#8c959f"
_MOST_GROUPS, _BARS_OF_IMPORTANCE = 40, 15


def slice_scores(column: ColumnSlices) -> Iterator[Drawing]:
    """Draw the main score of each group with its interval; groups that are too small to judge are grey."""
    shown = [each for each in column.slices if each.score(column.main).value is not None][:_MOST_GROUPS]

    def draw(axes: Any) -> None:
        for place, each in enumerate(shown):
            score, colour = each.score(column.main), _SOFT if each.is_small else COLOURS[0]
            if score.low is not None and score.high is not None:
                axes.plot([score.low, score.high], [place, place], color=colour, linewidth=2)
            axes.plot([score.value], [place], marker="o", color=colour, linestyle="none")
        axes.set_yticks(np.arange(len(shown)), [f"{_short(each.name)} ({each.examples:,})" for each in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlabel(f"{column.main}, with 95 % intervals")
        axes.grid(visible=True, axis="x")

    height = min(6.0, 1.0 + 0.26 * max(1, len(shown)))
    yield draw_figure(f"slices_{column.column}", f"{column.main} by {column.column}", draw, size=(SIZE[0], height))


def importances(predictions: StoredPredictions) -> Iterator[Drawing]:
    """Draw the permutation importance of each column with its interval, most important first."""
    rises, intervals = predictions.importances, predictions.importance_intervals
    if not len(rises) or len(rises) != len(predictions.columns):
        return
    measure = str(predictions.measure) if predictions.measure.ndim == 0 else "the error"
    order = np.argsort(-rises, kind="stable")[:_BARS_OF_IMPORTANCE]
    places = np.arange(len(order))

    def draw(axes: Any) -> None:
        axes.barh(places, rises[order], alpha=0.75)
        if len(intervals) == len(rises):
            axes.hlines(places, intervals[order, 0], intervals[order, 1], color="#1f2328", linewidth=1.2)
        axes.set_yticks(places, [_short(str(predictions.columns[place])) for place in order])
        axes.invert_yaxis()
        axes.set_xlabel(f"increase of {measure} when the column is shuffled")
        axes.axvline(0, color="#57606a", linewidth=1)

    height = min(4.2, 1.1 + 0.24 * len(order))
    yield draw_figure("importances", "permutation importance of each column", draw, size=(SIZE[0], height))


def dependence(predictions: StoredPredictions) -> Iterator[Drawing]:
    """Draw the mean prediction by the value of each important column: curves for numbers, bars for categories."""
    outputs = [str(name) for name in predictions.dependence_outputs]
    for number, column in enumerate(predictions.dependence_columns if predictions.dependence.size else ()):
        points = predictions.dependence_points[number]
        known = ~np.isnan(points)
        names = [str(name) for name in predictions.dependence_names[number]][: int(known.sum())]
        means, values = predictions.dependence[number][known], predictions.dependence_values[number]

        def draw(
            axes: Any,
            points: Array = points[known],
            means: Array = means,
            values: Array = values,
            names: Sequence[str] = names,
            column: str = str(column),
        ) -> None:
            if any(names):
                _draw_bars(axes, names, points, means, outputs)
            else:
                _draw_curves(axes, points, means, outputs, values=values[~np.isnan(values)])
                axes.set_xlabel(column)
            if len(outputs) > 1:
                axes.legend(fontsize=7)

        height = min(4.2, 1.2 + 0.24 * len(names) * max(1, len(outputs) / 2)) if any(names) else SIZE[1]
        title = f"mean prediction by {column}"
        yield draw_figure(f"dependence_{number + 1}", title, draw, size=(SIZE[0], height))


def _draw_curves(axes: Any, points: Array, means: Array, outputs: Sequence[str], *, values: Array) -> None:
    for index, name in enumerate(outputs):
        axes.plot(points, means[:, index], label=name, marker=".", markersize=4)
    # Short lines at the bottom show where examples lie: between them the curve is the model's guess.
    axes.plot(values, np.full(len(values), 0.02), "|", transform=axes.get_xaxis_transform(), color=_SOFT, markersize=7)
    axes.locator_params(axis="x", nbins=6)
    axes.set_ylabel(outputs[0] if len(outputs) == 1 else "mean prediction")
    axes.grid(visible=True)


def _draw_bars(axes: Any, names: Sequence[str], shares: Array, means: Array, outputs: Sequence[str]) -> None:
    places, thickness = np.arange(len(names)), 0.8 / len(outputs)
    for index, name in enumerate(outputs):
        offset = (index - (len(outputs) - 1) / 2) * thickness
        axes.barh(places + offset, means[:, index], height=thickness, label=name)
    axes.set_yticks(places, [f"{_short(name)} ({share:.0%})" for name, share in zip(names, shares, strict=True)])
    axes.invert_yaxis()
    axes.set_xlabel(outputs[0] if len(outputs) == 1 else "mean prediction")
    axes.grid(visible=True, axis="x")
    axes.set_axisbelow(True)


def _short(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"
