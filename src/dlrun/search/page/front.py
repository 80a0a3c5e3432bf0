"""The Pareto front of a search with several objectives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dlrun.report.drawing import Drawing, draw_figure
from dlrun.report.markup import Markup, number, table, tag
from dlrun.search.outcome import Objective, SearchOutcome
from dlrun.search.page.axes import short
from dlrun.search.page.progress import BEST, PAUSED
from dlrun.search.page.scores import score_scale
from dlrun.search.trials import TrialState

_MOST_NAMED = 12


def fronts(outcome: SearchOutcome) -> Iterator[Drawing]:
    """Draw the first objective against each of the others, with the trials of the front."""
    first = outcome.objectives[0]
    for index, other in enumerate(outcome.objectives[1:], start=1):
        drawing = _front(outcome, first, other, index)
        if drawing is not None:
            yield drawing


def front_table(outcome: SearchOutcome) -> Iterator[Markup]:
    """Yield the trials of the front as a table, with a sentence that explains them."""
    front = outcome.front
    if len(outcome.objectives) < 2 or not front:
        return
    count = f"{len(front)} trials are" if len(front) > 1 else "1 trial is"
    yield tag(
        "p", f"{count} on the Pareto front: no other trial is at least as good in everything and better in something."
    )
    keys = list(dict.fromkeys(key for trial in front for key, _ in trial.values))
    header = ("trial", *(objective.name for objective in outcome.objectives), *keys)
    rows = [
        (str(trial.number), *map(number, trial.scores), *(dict(trial.values).get(key, "") for key in keys))
        for trial in front
    ]
    yield table(header, rows, is_stacked=True)


def _front(outcome: SearchOutcome, first: Objective, other: Objective, index: int) -> Drawing | None:
    complete = [trial for trial in outcome.trials if trial.stage == "completed" and None not in trial.scores]
    up, across = (
        score_scale(each, [trial.scores[at] for trial in complete]) for each, at in ((first, 0), (other, index))
    )
    if up is None or across is None:
        return None
    front = sorted(outcome.front, key=lambda trial: trial.scores[index] or 0.0)

    def spots(trials: list[TrialState]) -> list[tuple[float, float]]:
        return [(across.clip(trial.scores[index] or 0.0), up.clip(trial.scores[0] or 0.0)) for trial in trials]

    def draw(axes: Any) -> None:
        axes.scatter(*zip(*spots(complete), strict=True), s=16, color=PAUSED, alpha=0.6, linewidths=0)
        axes.scatter(*zip(*spots(front), strict=True), s=30, color=BEST, zorder=4)
        if len(outcome.objectives) == 2:
            # What is reached with at most, or at least, so much of the other objective.
            where = "pre" if other.larger_is_better else "post"
            axes.step(*zip(*spots(front), strict=True), where=where, color=BEST, linewidth=1.0)
        for trial, spot in list(zip(front, spots(front), strict=True))[:_MOST_NAMED]:
            axes.annotate(str(trial.number), spot, xytext=(3, 4), textcoords="offset points", fontsize=7.5)
        if across.is_log:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(lambda value, _: number(value))
            axes.xaxis.set_minor_formatter("")
        axes.set_xlim(*across.limits())
        axes.set_ylim(*up.limits())
        axes.set_xlabel(short(across.title, 40))
        axes.set_ylabel(short(up.title))
        axes.grid(visible=True)

    named = ", ".join(
        f"trial {trial.number} ({number(trial.scores[0])}, {number(trial.scores[index])})" for trial in front
    )
    description = f"{first.name} against {other.name} of {len(complete)} complete trials. On the front: {named}."
    return draw_figure(f"front_{index}", f"{first.name} against {other.name}", draw, description=description)
