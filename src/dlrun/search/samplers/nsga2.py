"""NSGA-II: children of the points that no other point beats in every objective, for several objectives.

dlrun has its own because that of Optuna keeps its generations in a storage, varies only keys that every point has, and
begins with 50 random points.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlrun.metrics.metric import Direction
from dlrun.search.samplers.qmc import QMCSampler
from dlrun.search.samplers.sampler import DrawingSampler, KnownPoint, rank_points
from dlrun.spec.search.space import Number, Parameter, Point, Space

POPULATION = 12
"""Number of parents, and of the points before the first children."""
_FROM_FIRST = 0.5
_MUTATION = 0.15
"""Standard deviation of a changed number on its scale, whose length is 1."""
_STREAM = 5


class NSGA2Sampler(DrawingSampler):
    """Draw a child of two good points: each of its values is that of one of them, and some are changed.

    Parents are the best finished points by their front and, within a front, by their distance to others; of two drawn
    at random the better one is taken. A new generation therefore begins with every point.

    Args:
        space: Space of the points.
        directions: Direction of each objective.
        seed: Seed of the search.

    Reference:
        Deb et al., A fast and elitist multiobjective genetic algorithm: NSGA-II, 2002, IEEE Transactions on
        Evolutionary Computation 6.
    """

    def __init__(self, space: Space, *, directions: tuple[Direction, ...], seed: int) -> None:
        super().__init__(space, seed=seed)
        self.directions = directions
        self._first = QMCSampler(space, seed=seed)

    def draw(self, number: int, attempt: int, known: Sequence[KnownPoint]) -> Point:
        """Draw a point; see `DrawingSampler.draw`."""
        finished = [each for each in known if each.values is not None and each.state == "completed"]
        if len(finished) < POPULATION:
            return self._first.draw(number, attempt, known)
        ranks = rank_points(finished, self.directions)
        parents = [finished[index].point for index in np.argsort(ranks, kind="stable")[:POPULATION]]
        generator = np.random.default_rng([self.seed, number, attempt, _STREAM])
        first, second = (parents[int(generator.integers(len(parents), size=2).min())] for _ in range(2))
        return self._child(first, second, generator)

    def _child(self, first: Point, second: Point, generator: np.random.Generator) -> Point:
        """Return a point with the values of two others, of which one is changed on average."""
        probability = 1 / max(len(self.space.active(first)), 1)

        def value(parameter: Parameter) -> float | int:
            sources = [point for point in (first, second) if parameter.name in point]
            is_first = len(sources) < 2 or generator.random() < _FROM_FIRST
            inherited = sources[0 if is_first else 1][parameter.name] if sources else None
            if inherited is not None and generator.random() >= probability:
                return inherited
            if inherited is None or not isinstance(parameter, Number):
                return parameter.from_unit(float(generator.random()))
            moved = parameter.to_unit(inherited) + _MUTATION * float(generator.standard_normal())
            return parameter.from_unit(min(max(moved, 0.0), float(np.nextafter(1.0, 0.0))))

        return self.space.fill(value)
