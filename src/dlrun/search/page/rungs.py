"""Successive halving on the page: how many trials reached each rung, who was promoted, and what it saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dlrun.report.drawing import COLOURS, Drawing, draw_figure
from dlrun.report.markup import Markup, number, table, tag
from dlrun.search.outcome import SearchOutcome
from dlrun.search.page.axes import short
from dlrun.search.page.progress import BEST, FAILED, PAUSED
from dlrun.search.page.scores import score_scale
from dlrun.search.trials import TrialState

_MOST_TICKS = 12


def rung_curves(outcome: SearchOutcome) -> Iterator[Drawing]:
    """Draw the scores of each trial on the rungs that it reached."""
    if outcome.ladder is None:
        return
    curves = {trial.number: _curve(trial, outcome) for trial in outcome.trials}
    scale = score_scale(outcome.objectives[0], [score for curve in curves.values() for _, score in curve])
    if scale is None:
        return
    ladder, best = outcome.ladder, outcome.best

    def draw(axes: Any) -> None:
        looks = {"paused": (PAUSED, 0.5, 1), "failed": (FAILED, 0.5, 2), "completed": (COLOURS[0], 0.8, 3)}
        for trial in outcome.trials:
            colour, alpha, order = looks.get(trial.stage, (PAUSED, 0.5, 1))
            if best is not None and trial.number == best.number:
                colour, alpha, order = BEST, 1.0, 4
            points = [(epoch, scale.clip(score)) for epoch, score in curves[trial.number]]
            if points:
                look: dict[str, Any] = {"color": colour, "alpha": alpha, "zorder": order, "linewidth": 1.1}
                axes.plot(*zip(*points, strict=True), marker=".", **look)
        axes.set_xscale("log")
        axes.set_xticks(ladder.epochs[-_MOST_TICKS:], [f"{epochs:,}" for epochs in ladder.epochs[-_MOST_TICKS:]])
        axes.minorticks_off()
        axes.set_ylim(*scale.limits())
        axes.set_xlabel("epochs")
        axes.set_ylabel(short(scale.title))
        axes.grid(visible=True)

    complete = sum(trial.stage == "completed" for trial in outcome.trials)
    description = (
        f"{outcome.objectives[0].name} after {', '.join(map(str, ladder.epochs))} epochs: a line for each of "
        f"{len(outcome.trials)} trials, {complete} of which trained to the end."
    )
    yield draw_figure("rungs", "scores on the rungs", draw, description=description)


def rung_table(outcome: SearchOutcome) -> Iterator[Markup]:
    """Yield what halving did, in a sentence and as a table with one row per rung."""
    if outcome.ladder is None:
        return
    yield tag("p", _summary(outcome))
    ladder, rows = outcome.ladder, []
    for epochs in ladder.epochs[:-1]:
        scores = {trial.number: _score_at(trial, epochs) for trial in outcome.trials if _has_reached(trial, epochs)}
        waiting = [trial for trial in outcome.trials if trial.stage == "paused" and trial.rungs[-1].epochs == epochs]
        promoted = [trial for trial in outcome.trials if _rung_at(trial, epochs) and trial not in waiting]
        first = ladder.ranking(scores)[:1]
        best = f"{number(scores[first[0]])} (trial {first[0]})" if first and scores[first[0]] is not None else "-"
        rows.append((f"{epochs:,}", f"{len(scores):,}", f"{len(promoted):,}", f"{len(waiting):,}", best))
    complete = [trial for trial in outcome.trials if trial.stage == "completed"]
    winner = outcome.best
    last = f"{number(winner.scores[0])} (trial {winner.number})" if winner else "-"
    rows.append((f"{ladder.epochs[-1]:,}", f"{len(complete):,}", "-", "-", last))
    yield table(("epochs", "trials that reached it", "promoted", "paused there", "best score"), rows)


def _summary(outcome: SearchOutcome) -> str:
    trained, saved = outcome.trained_epochs, outcome.saved_epochs
    factor = outcome.ladder.factor if outcome.ladder else 1
    text = f"Every trial pauses at a rung, and the best 1 of {factor} there trains on. "
    if outcome.full_epochs is None or not trained:
        return text
    share = saved / (trained + saved)
    return text + (
        f"The trials trained {trained:,} epochs; without halving, the paused ones would have trained "
        f"{saved:,} more, so it saved {share:.0%} of them."
    )


def _curve(trial: TrialState, outcome: SearchOutcome) -> list[tuple[int, float]]:
    points = [(rung.epochs, rung.score) for rung in trial.rungs]
    if trial.stage == "completed" and trial.scores and trial.epochs:
        points.append((max(1, round(trial.epochs / outcome.seeds)), trial.scores[0]))
    return [(epochs, score) for epochs, score in points if score is not None]


def _rung_at(trial: TrialState, epochs: int) -> bool:
    return any(rung.epochs == epochs for rung in trial.rungs)


def _has_reached(trial: TrialState, epochs: int) -> bool:
    """Return whether a trial counts on a rung: it was paused there, or is complete."""
    return trial.stage == "completed" or _rung_at(trial, epochs)


def _score_at(trial: TrialState, epochs: int) -> float | None:
    scores: Sequence[float | None] = [rung.score for rung in trial.rungs if rung.epochs == epochs]
    return scores[0] if scores else trial.scores[0]
