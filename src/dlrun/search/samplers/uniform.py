"""Random search.

Reference:
    Bergstra and Bengio, Random Search for Hyper-Parameter Optimization, 2012, JMLR 13.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlrun.search.samplers.sampler import DrawingSampler, KnownPoint, random_point
from dlrun.spec.search.space import Point


class RandomSampler(DrawingSampler):
    """Draw every parameter independently, uniformly on its scale."""

    def draw(self, number: int, attempt: int, known: Sequence[KnownPoint]) -> Point:  # noqa: ARG002  of every sampler
        """Draw a point; see `DrawingSampler.draw`."""
        return random_point(self.space, np.random.default_rng([self.seed, number, 0, attempt]))
