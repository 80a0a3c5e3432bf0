"""CMA-ES: a normal distribution of points that moves to where the best ones are, for numbers only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlrun.metrics.metric import Direction
from dlrun.search.samplers.sampler import Array, DrawingSampler, KnownPoint, rank_points
from dlrun.spec.search.space import Number, Point, Space

_FIRST_DEVIATION = 1 / 6
"""Standard deviation of the first points around the middle of the space, whose sides have the length 1."""
_STREAM = 4


class CMAESSampler(DrawingSampler):
    """Draw points from the distribution that the generations so far have led to.

    The generations are replayed for each proposal: the finished points in the order of their trials, a generation as
    soon as there are enough of them. Only the order of their scores counts.

    Args:
        space: Space of numbers.
        direction: Direction of the objective.
        seed: Seed of the search.

    Reference:
        Hansen, The CMA Evolution Strategy: A Tutorial, 2016, arXiv:1604.00772
    """

    def __init__(self, space: Space, *, direction: Direction, seed: int) -> None:
        super().__init__(space, seed=seed)
        self.direction = direction
        self.numbers = [each for each in space.parameters if isinstance(each, Number)]

    def draw(self, number: int, attempt: int, known: Sequence[KnownPoint]) -> Point:
        """Draw a point; see `DrawingSampler.draw`."""
        from cmaes import CMA

        count = len(self.numbers)
        bounds = np.tile([0.0, 1.0], (count, 1))
        strategy = CMA(mean=np.full(count, 0.5), sigma=_FIRST_DEVIATION, bounds=bounds)
        finished = [each for each in known if each.state != "running"]
        for first in range(0, len(finished) - strategy.population_size + 1, strategy.population_size):
            generation = finished[first : first + strategy.population_size]
            ranks = rank_points(generation, (self.direction,))
            strategy.tell([(self._units(each), float(rank)) for each, rank in zip(generation, ranks, strict=True)])
        seed = int(np.random.SeedSequence([self.seed, number, attempt, _STREAM]).generate_state(1)[0])
        strategy.reseed_rng(seed)
        units = dict(zip((each.name for each in self.numbers), strategy.ask(), strict=True))
        return self.space.choose(lambda parameter: min(float(units[parameter.name]), float(np.nextafter(1.0, 0.0))))

    def _units(self, known: KnownPoint) -> Array:
        return np.array([each.to_unit(known.point[each.name]) for each in self.numbers])
