"""The plots of a report that are about columns of the data: scores by group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dlrun.report.drawing import COLOURS, SIZE, Drawing, draw_figure
from dlrun.scoring.slices import ColumnSlices

_SOFT = "#8c959f"


def slice_scores(column: ColumnSlices) -> Iterator[Drawing]:
    """Draw the main score of each group with its interval; groups that are too small to judge are grey."""
    shown = [each for each in column.slices if each.scores[column.main].value is not None]

    def draw(axes: Any) -> None:
        for place, each in enumerate(shown):
            score, colour = each.scores[column.main], _SOFT if each.is_small else COLOURS[0]
            if score.low is not None and score.high is not None:
                axes.plot([score.low, score.high], [place, place], color=colour, linewidth=2)
            axes.plot([score.value], [place], marker="o", color=colour, linestyle="none")
        axes.set_yticks(np.arange(len(shown)), [f"{short(each.name, 24)} ({each.examples:,})" for each in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlabel(f"{column.main}, with 95 % intervals")
        axes.grid(visible=True, axis="x")

    height = min(6.0, 1.0 + 0.26 * max(1, len(shown)))
    yield draw_figure(f"slices_{column.column}", f"{column.main} by {column.column}", draw, size=(SIZE[0], height))


def short(name: str, letters: int) -> str:
    """Return a name that is cut to some letters."""
    return name if len(name) <= letters else name[: letters - 1] + "…"
