"""Quasi-Monte Carlo search: points that fill the space more evenly than random ones.

dlrun has a sequence of its own because Optuna's sampler needs SciPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from dlrun.search.samplers.sampler import DrawingSampler, KnownPoint
from dlrun.spec.search.space import Parameter, Point, Space

_MOST_DIGITS = 52
_STREAM = 2


class QMCSampler(DrawingSampler):
    """Take the points of a scrambled Halton sequence, with one coordinate for each parameter.

    Args:
        space: Space of the points.
        seed: Seed of the scrambling.
    """

    def __init__(self, space: Space, *, seed: int) -> None:
        super().__init__(space, seed=seed)
        self._dimensions = {each.name: index for index, each in enumerate(space.all_parameters)}

    def draw(self, number: int, attempt: int, known: Sequence[KnownPoint]) -> Point:
        """Return the point of a trial; further ones are as far on in the sequence as trials are known."""
        index = number + attempt * (len(known) + 1)

        def coordinate(parameter: Parameter) -> float:
            return halton(index, self._dimensions[parameter.name], seed=self.seed)

        return self.space.choose(coordinate)


def halton(index: int, dimension: int, *, seed: int) -> float:
    """Return a coordinate of a point of the scrambled Halton sequence, from 0 to below 1.

    Args:
        index: Number of the point, from 0.
        dimension: Number of the coordinate, from 0.
        seed: Seed of the scrambling.

    Formula:
        x = sum_k pi_k(d_k) b^-(k+1), where d_k are the digits of the index in base b, the prime of the dimension, the
        least significant first, and pi_k is a random permutation of the digits for each k.

    Reference:
        Owen, A randomized Halton algorithm in R, 2017, arXiv:1706.02808
    """
    base = _prime(dimension)
    generator = np.random.default_rng([seed, dimension, _STREAM])
    value, scale, rest = 0.0, 1.0 / base, index
    # Beyond the digits of the index all digits are 0, which are permuted too, up to the precision of a float.
    for _ in range(_MOST_DIGITS):
        rest, digit = divmod(rest, base)
        value += scale * int(generator.permutation(base)[digit])
        scale /= base
        if scale < np.finfo(float).eps / 2:
            break
    return min(value, float(np.nextafter(1.0, 0.0)))


@cache
def _prime(index: int) -> int:
    """Return a prime number by its index: 2, 3, 5, ..."""
    found: list[int] = []
    candidate = 2
    while len(found) <= index:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return found[index]
