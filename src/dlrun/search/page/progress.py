"""How the scores of a search went over time, with the best so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dlrun.report.drawing import COLOURS, Drawing, draw_figure
from dlrun.report.markup import Markup, number, tag
from dlrun.search.outcome import Objective, SearchOutcome
from dlrun.search.page.axes import short
from dlrun.search.page.scores import ScoreScale, score_scale
from dlrun.search.trials import TrialState
from dlrun.system.duration import format_seconds

PAUSED, FAILED, BEST = "#8c959f", "#cf222e", "#d1570a"
"""The colours of trials in plots; complete ones have the first of `COLOURS`."""
_SIZE = (5.8, 3.1)
_UNITS = ((7200, 3600, "hours"), (120, 60, "minutes"), (0, 1, "seconds"))
_MOST_WITH_SPREAD = 60


def progress(outcome: SearchOutcome) -> Iterator[Drawing]:
    """Draw the score of each trial at the time when it ended, with the best so far."""
    objective = outcome.objectives[0]
    ended = sorted((trial for trial in outcome.trials if trial.ended is not None), key=lambda trial: trial.ended or 0)
    scale = _scale(outcome)
    if scale is None:
        return
    best = running_best(ended, objective)

    def draw(axes: Any) -> None:
        unit, name = next((unit, name) for least, unit, name in _UNITS if outcome.seconds >= least)
        _dots(axes, ended, scale, unit)
        steps = [(trial.ended or 0) / unit for trial in best]
        heights = [trial.scores[0] for trial in best]
        if best:
            end = max(outcome.seconds / unit, steps[-1])
            axes.step([*steps, end], [*heights, heights[-1]], where="post", color=BEST, label="best so far")
        axes.set_ylim(*scale.limits())
        axes.set_xlim(left=0)
        axes.set_xlabel(f"{name} of searching")
        axes.set_ylabel(short(scale.title))
        axes.grid(visible=True)
        _legend(axes)

    described = _described(outcome, best)
    yield draw_figure("progress", "scores over time", draw, size=_SIZE, description=described)


def progress_legend(outcome: SearchOutcome) -> Markup:
    """Return what the plot shows beside its legend, if anything."""
    texts = []
    if any(trial.deviation is not None for trial in outcome.trials):
        texts.append("Short lines: one standard deviation over the seeds.")
    if (scale := _scale(outcome)) is not None and scale.outside:
        texts.append(f"Triangles at the edge: {scale.outside} trials with scores outside of the plots.")
    return tag("p", " ".join(texts), class_="soft") if texts else Markup()


def running_best(ended: Sequence[TrialState], objective: Objective) -> list[TrialState]:
    """Return the complete trials that were the best when they ended.

    Args:
        ended: Trials in the order in which they ended.
        objective: What to compare.
    """
    found: list[TrialState] = []
    for trial in ended:
        if trial.stage != "completed" or trial.scores[0] is None:
            continue
        if not found or objective.badness(trial.scores[0]) < objective.badness(found[-1].scores[0]):
            found.append(trial)
    return found


def draw_failed(axes: Any, places: Sequence[float]) -> None:
    """Mark failed trials at the bottom of a plot of scores."""
    if places:
        low = [0.02] * len(places)
        kept = {"transform": axes.get_xaxis_transform(), "clip_on": False, "zorder": 4}
        axes.scatter(places, low, marker="x", s=24, color=FAILED, label="failed", **kept)


def _scale(outcome: SearchOutcome) -> ScoreScale | None:
    return score_scale(outcome.objectives[0], [trial.scores[0] for trial in outcome.trials if trial.scores])


def _dots(axes: Any, ended: Sequence[TrialState], scale: ScoreScale, unit: float) -> None:
    looks = {"paused": ("paused early", PAUSED, 12), "completed": ("complete", COLOURS[0], 18)}
    for stage, (label, colour, size) in looks.items():
        scored = [(trial, trial.scores[0]) for trial in ended if trial.stage == stage and trial.scores]
        known = [(trial, score) for trial, score in scored if score is not None]
        inside = [((trial.ended or 0) / unit, score) for trial, score in known if not scale.is_outside(score)]
        outside = [((trial.ended or 0) / unit, scale.clip(score)) for trial, score in known if scale.is_outside(score)]
        if inside:
            axes.scatter(*zip(*inside, strict=True), s=size, color=colour, alpha=0.75, linewidths=0, label=label)
        if outside:
            marker = "v" if scale.objective.larger_is_better else "^"
            axes.scatter(*zip(*outside, strict=True), s=22, marker=marker, color=colour, alpha=0.75, linewidths=0)
        if stage == "completed" and len(known) <= _MOST_WITH_SPREAD:
            for trial, score in known:
                if trial.deviation is not None:
                    ends = [score - trial.deviation, score + trial.deviation]
                    axes.plot([(trial.ended or 0) / unit] * 2, ends, color=colour, linewidth=0.8, alpha=0.6)
    draw_failed(axes, [(trial.ended or 0) / unit for trial in ended if trial.stage == "failed"])


def _legend(axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(handles, labels, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, borderaxespad=0.2)


def _described(outcome: SearchOutcome, best: Sequence[TrialState]) -> str:
    counts = {stage: sum(trial.stage == stage for trial in outcome.trials) for stage in ("paused", "failed")}
    complete = sum(trial.stage == "completed" for trial in outcome.trials)
    name = outcome.objectives[0].name
    text = f"{name} of {complete} complete, {counts['paused']} paused and {counts['failed']} failed trials"
    text += f" over {format_seconds(outcome.seconds)}"
    if best:
        first, last = best[0], best[-1]
        text += f"; the best went from {number(first.scores[0])} to {number(last.scores[0])}, of trial {last.number}"
    return text + "."
