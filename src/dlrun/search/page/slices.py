"""The scores of a search against the values of each key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dlrun.report.drawing import COLOURS, SIZE, Drawing, draw_figure
from dlrun.report.markup import number
from dlrun.search.outcome import SearchOutcome
from dlrun.search.page.axes import KeyAxis, key_axes, short
from dlrun.search.page.progress import BEST, PAUSED, draw_failed
from dlrun.search.page.scores import ScoreScale, score_scale
from dlrun.search.trials import TrialState

MOST_KEYS = 40
_UPRIGHT = 5
"""The largest number of options whose labels fit below the plot without being turned."""
_WIDTH_OF_OPTION = 0.5
"""The part of the room of an option over which its trials are spread, so that they do not cover each other."""


def slices(outcome: SearchOutcome) -> Iterator[Drawing]:
    """Draw a plot for each key: the scores of the trials against its value."""
    counted = [trial for trial in outcome.trials if trial.counts]
    scale = score_scale(outcome.objectives[0], [trial.scores[0] for trial in counted if trial.scores])
    if scale is None:
        return
    for index, axis in enumerate(key_axes(outcome)[:MOST_KEYS]):
        trials = [trial for trial in counted if axis.name in trial.point]
        if any(trial.scores for trial in trials):
            yield _slice(outcome, axis, trials, scale, name=f"slice_{index + 1}")


def slice_legend(outcome: SearchOutcome) -> str:
    """Return what the colours and lines of the plots mean."""
    stages = {trial.stage for trial in outcome.trials}
    texts = ["Orange: the best trial."]
    if "paused" in stages:
        texts.append("Grey: trials that were paused early, with their last score.")
    if "failed" in stages:
        texts.append("Red: failed trials, at the bottom.")
    if any(axis.options for axis in key_axes(outcome)):
        texts.append("Black lines: medians of complete trials.")
    return " ".join(texts)


def _slice(
    outcome: SearchOutcome, axis: KeyAxis, trials: Sequence[TrialState], scale: ScoreScale, *, name: str
) -> Drawing:
    best = outcome.best

    def draw(axes: Any) -> None:
        for stage, colour, size in (("paused", PAUSED, 12), ("completed", COLOURS[0], 18)):
            _scatter(axes, axis, [trial for trial in trials if trial.stage == stage], scale, colour=colour, size=size)
        if best is not None and axis.name in best.point:
            _scatter(axes, axis, [best], scale, colour=BEST, size=60)
        draw_failed(axes, [_across(axis, trial) for trial in trials if trial.stage == "failed"])
        if axis.options:
            _columns(axes, axis, trials, scale)
        elif axis.is_log:
            axes.set_xscale("log")
            axes.minorticks_off()
            axes.set_xticks(axis.marked(), [f"{value:.4g}" for value in axis.marked()])
        elif axis.is_integer:
            axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.set_ylim(*scale.limits())
        axes.set_xlabel(short(axis.path, 40))
        axes.set_ylabel(short(scale.title))
        axes.grid(visible=True)

    description = _described(outcome, axis, trials)
    return draw_figure(name, short(axis.title, 60), draw, size=SIZE, description=description)


def _scatter(
    axes: Any, axis: KeyAxis, trials: Sequence[TrialState], scale: ScoreScale, *, colour: str, size: int
) -> None:
    for is_outside in (False, True):
        points = [
            (_across(axis, trial), scale.clip(score))
            for trial in trials
            if trial.scores and (score := trial.scores[0]) is not None and scale.is_outside(score) is is_outside
        ]
        marker = ("v" if scale.objective.larger_is_better else "^") if is_outside else "o"
        if points:
            axes.scatter(
                *zip(*points, strict=True), s=size, marker=marker, color=colour, alpha=0.7, linewidths=0, zorder=3
            )


def _across(axis: KeyAxis, trial: TrialState) -> float:
    """Return where a trial stands on the axis; trials with one option stand side by side."""
    value = float(trial.point[axis.name])
    if not axis.options:
        return value
    # The golden ratio spreads any number of consecutive trials evenly.
    return value + _WIDTH_OF_OPTION * ((trial.number * 0.618034) % 1 - 0.5)


def _columns(axes: Any, axis: KeyAxis, trials: Sequence[TrialState], scale: ScoreScale) -> None:
    for index in range(len(axis.options)):
        middle = _median(trials, axis, index)
        if middle is not None:
            ends = [index - 0.35, index + 0.35]
            axes.plot(ends, [scale.clip(middle)] * 2, color="#1f2328", linewidth=1.2, zorder=4)
    few = len(axis.options) <= _UPRIGHT and max(map(len, axis.options)) <= 10
    turned = {} if few else {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(len(axis.options)), [short(text) for text in axis.options], **turned)
    axes.set_xlim(-0.6, len(axis.options) - 0.4)


def _median(trials: Sequence[TrialState], axis: KeyAxis, option: int) -> float | None:
    complete = [trial for trial in trials if trial.stage == "completed" and trial.point[axis.name] == option]
    scores = [trial.scores[0] for trial in complete if trial.scores[0] is not None]
    return float(np.median(scores)) if scores else None


def _described(outcome: SearchOutcome, axis: KeyAxis, trials: Sequence[TrialState]) -> str:
    text = f"{outcome.objectives[0].name} of {len(trials)} trials against {axis.title}"
    if axis.options:
        medians = [(name, _median(trials, axis, index)) for index, name in enumerate(axis.options)]
        shown = [f"{short(name)} {number(value)}" for name, value in medians if value is not None]
        return f"{text}; medians of complete trials: {', '.join(shown)}." if shown else f"{text}."
    best = outcome.best
    if best is None or axis.name not in best.point:
        return f"{text}, from {number(axis.low)} to {number(axis.high)}."
    return (
        f"{text}, from {number(axis.low)} to {number(axis.high)}; the best trial has {number(best.point[axis.name])}."
    )
