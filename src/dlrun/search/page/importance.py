"""The importance of the keys on the page, or why it is unknown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dlrun.report.drawing import SIZE, Drawing, draw_figure
from dlrun.report.markup import Markup, tag
from dlrun.search.importance import importance_basis, missing_importances
from dlrun.search.outcome import SearchOutcome
from dlrun.search.page.axes import short

_MOST_BARS = 20


def importance_plot(outcome: SearchOutcome) -> Iterator[Drawing]:
    """Draw the importance of each key, the most important first."""
    ordered = sorted(outcome.importances.items(), key=lambda pair: -pair[1])[:_MOST_BARS]
    if not ordered:
        return
    places = np.arange(len(ordered))

    def draw(axes: Any) -> None:
        bars = axes.barh(places, [100 * value for _, value in ordered])
        axes.bar_label(bars, fmt="%.0f %%", padding=3)
        axes.set_yticks(places, [short(name, 26) for name, _ in ordered])
        axes.invert_yaxis()
        axes.set_xlabel("importance in %")
        axes.margins(x=0.15)

    described = "Importance: " + ", ".join(f"{name} {value:.0%}" for name, value in ordered) + "."
    size = (SIZE[0], min(5.0, 1.0 + 0.28 * len(ordered)))
    yield draw_figure("importances", "importance of each key", draw, size=size, description=described)


def importance_text(outcome: SearchOutcome) -> Iterator[Markup]:
    """Yield what the importance means, and which keys have none."""
    if outcome.importances:
        yield tag("p", importance_basis(outcome), class_="soft")
    for sentence in missing_importances(outcome):
        yield tag("p", sentence, class_="soft")
