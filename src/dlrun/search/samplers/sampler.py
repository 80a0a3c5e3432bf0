"""What every sampler does: propose the next point from the points that are known.

A proposal is a pure function of the space, the seed, the number of the trial and the points known so far: random
generators are seeded anew for each proposal. A search that was killed therefore proposes the same point again.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from dlrun.metrics.metric import Direction
from dlrun.spec.search.space import Point, PointKey, Space, point_key

Array = npt.NDArray[Any]
PointState = Literal["running", "paused", "completed", "failed", "rejected"]

_ATTEMPTS = 10
_RANDOM_ATTEMPTS = 1000
_RANDOM_STREAM = 1
_WITHOUT_SCORE = (2, 0)


@dataclass(frozen=True)
class KnownPoint:
    """A point that was proposed before.

    Args:
        point: The point.
        state: What has become of it. paused: its training was stopped early and may be continued. failed: its training
            failed. rejected: it is not valid together with the rest of the spec, and was not trained.
        values: Its score for each objective, as measured, of the newest epoch that it was trained to; None if there is
            none.
        epochs: Epochs that it was trained.
    """

    point: Point
    state: PointState
    values: tuple[float, ...] | None = None
    epochs: int = 0


class Sampler(Protocol):
    """Proposes the points of a search."""

    def propose(self, number: int, known: Sequence[KnownPoint]) -> Point | None:
        """Return the next point, which is none of the known ones.

        Args:
            number: Number of the trial that the point is for.
            known: Every point so far, in the order of their trials, also those whose training is running.

        Returns:
            The point; None if every point of the space is known.
        """


class DrawingSampler(abc.ABC):
    """A sampler that draws points, and draws again if a point is known.

    Args:
        space: Space of the points.
        seed: Seed of the search.
    """

    def __init__(self, space: Space, *, seed: int) -> None:
        self.space = space
        self.seed = seed

    @abc.abstractmethod
    def draw(self, number: int, attempt: int, known: Sequence[KnownPoint]) -> Point:
        """Draw a point.

        Args:
            number: Number of the trial.
            attempt: How many points were drawn for this trial before, all of which are known.
            known: Every point so far.
        """

    def propose(self, number: int, known: Sequence[KnownPoint]) -> Point | None:
        """Return the next point; see `Sampler.propose`."""
        seen = {point_key(each.point) for each in known}
        if self.space.size is not None and len(seen) >= self.space.size:
            return None
        for attempt in range(_ATTEMPTS):
            point = self.draw(number, attempt, known)
            if point_key(point) not in seen:
                return point
        return self._other_point(number, seen)

    def _other_point(self, number: int, seen: set[PointKey]) -> Point | None:
        """Return a random point that is not known; None if there is none."""
        generator = np.random.default_rng([self.seed, number, _RANDOM_STREAM])
        for _ in range(_RANDOM_ATTEMPTS):
            point = random_point(self.space, generator)
            if point_key(point) not in seen:
                return point
        if self.space.size is None:
            return None
        return next((point for point in self.space.points() if point_key(point) not in seen), None)


def random_point(space: Space, generator: np.random.Generator) -> Point:
    """Return a point whose parameters are drawn independently, each uniformly on its scale."""
    return space.choose(lambda _: float(generator.random()))


def rank_points(points: Sequence[KnownPoint], directions: tuple[Direction, ...]) -> list[int]:
    """Return the rank of each point, 0 for the best.

    Completed points come first, then those paused after more epochs, last those without a score. With several
    objectives, points that fewer others beat in every objective come first, and among equals those that are farther
    from others.

    Args:
        points: Finished points.
        directions: Direction of each objective.
    """
    signs = np.array([-1.0 if direction == "max" else 1.0 for direction in directions])
    order: list[int] = []
    for stage in sorted({_stage(point) for point in points}):
        members = [index for index, point in enumerate(points) if _stage(point) == stage]
        scores = [points[index].values if stage != _WITHOUT_SCORE else None for index in members]
        values = np.array([score or np.full(len(signs), np.nan) for score in scores]) * signs
        # An undefined score is worse than any other.
        order += [members[index] for index in _sort_by_front(np.where(np.isnan(values), np.inf, values))]
    ranks = [0] * len(points)
    for rank, index in enumerate(order):
        ranks[index] = rank
    return ranks


def _stage(point: KnownPoint) -> tuple[int, int]:
    if point.values is None or point.state not in ("completed", "paused"):
        return _WITHOUT_SCORE
    return (0, 0) if point.state == "completed" else (1, -point.epochs)


def _sort_by_front(values: Array) -> list[int]:
    """Return the indices of points from the best to the worst: first those that no other beats, and so on.

    Args:
        values: Value of each point for each objective; smaller is better.

    Shape:
        `(points, objectives)`.
    """
    mine, other = values[:, None], values[None]
    beats: Array = np.all(mine <= other, axis=2) & np.any(mine < other, axis=2)
    beaten_by = beats.sum(axis=0)
    order: list[int] = []
    while (front := np.flatnonzero(beaten_by == 0)).size:
        order += [int(index) for index in front[np.argsort(-_crowding(values[front]), kind="stable")]]
        beaten_by -= beats[front].sum(axis=0)
        beaten_by[front] = -1
    return order


def _crowding(values: Array) -> Array:
    """Return for each point of a front how far its neighbours are from each other, in all objectives together.

    Shape:
        Values: `(points, objectives)`. Result: `(points,)`; infinite for the ends of an objective.
    """
    distances: Array = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        first, last = column[order[0]], column[order[-1]]
        distances[order[[0, -1]]] = np.inf
        if len(values) > 2 and first < last < np.inf:
            distances[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / (last - first)
    return distances
