"""Parallel coordinates: a line for each trial, which crosses the axis of each key at its value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dlrun.report.drawing import SIZE, Drawing, draw_figure
from dlrun.report.markup import number
from dlrun.search.outcome import SearchOutcome
from dlrun.search.page.axes import KeyAxis, key_axes, short
from dlrun.search.page.progress import BEST, FAILED, PAUSED
from dlrun.search.page.scores import ScoreScale, score_scale
from dlrun.search.trials import TrialState

MOST_LINES = 500
_MOST_SIDE_BY_SIDE = 9
_LEAST_AXES = 2
_NOT_USED = -0.12
"""Where the line of a trial passes an axis that does not exist for it."""
_INK, _TITLE, _WIDE = "#1f2328", "parallel coordinates", (9.5, 4.2)
_BOXED: dict[str, Any] = {
    "color": _INK,
    "zorder": 7,
    "bbox": {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6},
}


@dataclass(frozen=True)
class Track:
    """One axis, of a key or an objective.

    Args:
        title: Its title.
        ticks: Places from 0 to 1 with their labels.
        places: Where the line of each trial crosses it; None where it has no value.
        is_choice: Whether lines are spread a little, because many cross at the same place.
    """

    title: str
    ticks: tuple[tuple[float, str], ...]
    places: tuple[float | None, ...]
    is_choice: bool = False

    def marks(self) -> tuple[tuple[float, str], ...]:
        """Return the ticks, with one for the trials that the axis does not exist for."""
        return (*self.ticks, (_NOT_USED, "none")) if None in self.places else self.ticks


@dataclass(frozen=True)
class ParallelPlot:
    """What the lines of a plot are.

    Args:
        trials: The trials, the best first.
        tracks: The axes.
        scale: The scale of the scores that colour the lines.
        best: The number of the best trial, if one is complete.
    """

    trials: tuple[TrialState, ...]
    tracks: tuple[Track, ...]
    scale: ScoreScale
    best: int | None


def parallel_coordinates(outcome: SearchOutcome) -> Iterator[Drawing]:
    """Draw the parallel coordinates, for narrow screens with the axes below each other, for wide ones side by side.

    Yields:
        The drawing `parallel` for narrow screens, and `parallel_wide` unless there are too many axes for it.
    """
    trials = tuple(trial for trial in outcome.ranked if trial.stage in ("completed", "paused", "failed"))[:MOST_LINES]
    scale = score_scale(outcome.objectives[0], [trial.scores[0] for trial in trials if trial.scores])
    tracks = (*_key_tracks(key_axes(outcome), trials), *_score_tracks(outcome, trials))
    if scale is None or len(tracks) < _LEAST_AXES:
        return
    best = outcome.best.number if outcome.best is not None else None
    plot, described = ParallelPlot(trials, tracks, scale, best), _described(outcome, trials, tracks)
    size = (SIZE[0], 1.0 + 0.8 * len(tracks))
    yield draw_figure("parallel", _TITLE, partial(_below, plot=plot), size=size, description=described)
    if len(tracks) <= _MOST_SIDE_BY_SIDE:
        draw = partial(_side_by_side, plot=plot)
        yield draw_figure("parallel_wide", _TITLE, draw, size=_WIDE, description=described)


def _key_tracks(axes: Sequence[KeyAxis], trials: Sequence[TrialState]) -> Iterator[Track]:
    for axis in axes:
        places = tuple(axis.place(trial.point[axis.name]) if axis.name in trial.point else None for trial in trials)
        if any(place is not None for place in places):
            yield Track(axis.title, axis.ticks(), places, is_choice=bool(axis.options))


def _score_tracks(outcome: SearchOutcome, trials: Sequence[TrialState]) -> Iterator[Track]:
    for index, objective in enumerate(outcome.objectives):
        values = [trial.scores[index] if len(trial.scores) > index else None for trial in trials]
        scale = score_scale(objective, values)
        if scale is not None:
            ends = (scale.low, scale.high) if scale.high > scale.low else (scale.low,)
            ticks = tuple((scale.place(end), number(end)) for end in ends)
            yield Track(scale.title, ticks, tuple(None if each is None else scale.place(each) for each in values))


def _below(axes: Any, plot: ParallelPlot) -> None:
    """Draw the axes below each other."""
    for line, look in _lines(plot):
        axes.plot(line, -np.arange(len(line)), **look)
    axes.set_axis_off()
    for index, track in enumerate(plot.tracks):
        axes.plot([0, 1], [-index, -index], color=_INK, linewidth=1.0, zorder=6)
        axes.text(-0.14, 0.2 - index, short(track.title, 48), ha="left", va="bottom", fontsize=8.5, **_BOXED)
        for place, label in track.marks():
            axes.text(place, -0.1 - index, short(label, 16), ha="center", va="top", fontsize=7.5, **_BOXED)
    axes.set_xlim(-0.16, 1.1)
    axes.set_ylim(0.45 - len(plot.tracks), 0.5)
    _colour_bar(axes, plot, location="bottom", pad=0.02)


def _side_by_side(axes: Any, plot: ParallelPlot) -> None:
    """Draw the axes side by side."""
    for line, look in _lines(plot):
        axes.plot(np.arange(len(line)), line, **look)
    axes.set_axis_off()
    for index, track in enumerate(plot.tracks):
        axes.plot([index, index], [0, 1], color=_INK, linewidth=1.0, zorder=6)
        axes.text(index, 1.06, _in_lines(track.title), ha="center", va="bottom", fontsize=8)
        for place, label in track.marks():
            axes.text(index + 0.05, place, short(label, 16), ha="left", va="center", fontsize=7.5, **_BOXED)
    axes.set_xlim(-0.2, len(plot.tracks) - 0.5)
    axes.set_ylim(-0.16, 1.04)
    _colour_bar(axes, plot, location="right", pad=0.01)


def _lines(plot: ParallelPlot) -> Iterator[tuple[list[float], dict[str, Any]]]:
    """Yield the places of each line with its look, those of the best trials last, so that they are on top."""
    norm, colours = _colours(plot.scale)
    for row in reversed(range(len(plot.trials))):
        trial = plot.trials[row]
        score = trial.scores[0] if trial.scores else None
        look: dict[str, Any] = {"color": PAUSED, "alpha": 0.35, "linewidth": 0.8, "zorder": 1}
        if trial.number == plot.best:
            look = {"color": BEST, "linewidth": 2.6, "zorder": 5}
        elif trial.stage == "completed" and score is not None:
            look = {"color": colours(norm(plot.scale.clip(score))), "linewidth": 1.0, "alpha": 0.65, "zorder": 3}
        elif trial.stage == "failed":
            look = {"color": FAILED, "linestyle": ":", "linewidth": 1.0, "alpha": 0.65, "zorder": 2}
        yield [_place(track, row, trial.number) for track in plot.tracks], look


def _colours(scale: ScoreScale) -> tuple[Any, Any]:
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm, Normalize

    norm: Any = (LogNorm if scale.is_log else Normalize)(scale.low, scale.high)
    # The best trials are dark, so that the pale lines of the others stay in the background.
    return norm, colormaps["viridis_r" if scale.objective.larger_is_better else "viridis"]


def _colour_bar(axes: Any, plot: ParallelPlot, *, location: str, pad: float) -> None:
    from matplotlib.cm import ScalarMappable

    if plot.scale.high > plot.scale.low:
        norm, colours = _colours(plot.scale)
        bar = axes.figure.colorbar(
            ScalarMappable(norm, colours), ax=axes, location=location, pad=pad, shrink=0.9, aspect=35
        )
        bar.set_label(short(plot.scale.title))


def _place(track: Track, row: int, trial: int) -> float:
    place = track.places[row]
    if place is None:
        return _NOT_USED
    return place + 0.05 * ((trial * 0.618034) % 1 - 0.5) if track.is_choice else place


def _in_lines(title: str) -> str:
    key, _, condition = title.partition(" (")
    parts = [short(part, 16) for part in key.replace(".", ".\n").split("\n")]
    return "\n".join([*parts, short(f"({condition}", 18)] if condition else parts)


def _described(outcome: SearchOutcome, trials: Sequence[TrialState], tracks: Sequence[Track]) -> str:
    text = f"A line for each of {len(trials)} trials crosses {len(tracks)} axes: "
    text += ", ".join(track.title for track in tracks)
    if outcome.best is None:
        return text + "."
    values = ", ".join(f"{key} {value}" for key, value in outcome.best.values)
    return f"{text}. The best, trial {outcome.best.number}, has {values}."
