"""Scale numbers of any distribution: robustly with a smooth clip, or through quantiles to a normal distribution.

Both are arithmetic that is the same in numpy and in Keras, so it is part of an exported model.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

Array = npt.NDArray[Any]
ScalingName = Literal["standard", "robust", "quantile", "none"]

_CLIP = 3.0
_FARTHEST = 1e6
"""Scaled values are cut off here before they are squared: the square of 1e18 times 1e18 is not a number in float32."""

_LEAST_SPREAD = 1e-30
"""A smaller spread counts as none, because float32 could not divide by it."""

_MOST_POINTS, _LEAST_POINTS, _ALL_POINTS = 128, 16, 1 << 14


@dataclass(frozen=True)
class RobustScaling:
    """Center and spread that do not depend on outliers, and a smooth clip.

    Args:
        center: Median of each number.
        spread: Distance of its quartiles; half its range if they are equal; 1 if it is constant.
        inverse_clip: 1 / 3 for each number, and 0 for a mark of 0 or 1, which stays as it is.
        type: Discriminator of the kinds of scaling.

    Formula:
        z = (x - center) / spread, y = z / sqrt(1 + (z / 3)^2)

    Reference:
        Holzmüller, Grinsztajn and Steinwart, 2024, "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on
        Tabular Data", arXiv:2407.04491, section 3.
    """

    center: tuple[float, ...]
    spread: tuple[float, ...]
    inverse_clip: tuple[float, ...]
    type: Literal["robust"] = "robust"

    @classmethod
    def measure(cls, sample: Array, *, is_mark: npt.NDArray[np.bool_]) -> RobustScaling:
        """Measure the numbers on rows of the training split.

        Shape:
            sample: `(rows, numbers)`. is_mark: `(numbers,)`.
        """
        low, first, center, third, high = np.quantile(sample.astype(np.float64), [0, 0.25, 0.5, 0.75, 1], axis=0)
        spread = np.where(third - first > _LEAST_SPREAD, third - first, (high - low) / 2)
        spread = np.where((spread > _LEAST_SPREAD) & ~is_mark, spread, 1.0)
        center = np.where(is_mark, 0.0, center)
        return cls(_plain(center), _plain(spread), _plain(np.where(is_mark, 0.0, 1 / _CLIP)))

    def apply(self, values: Any, ops: Any = np) -> Any:
        """Return the scaled values.

        Args:
            values: An array, or a tensor.
            ops: `numpy`, or `keras.ops` for tensors.

        Shape:
            values and result: `(..., numbers)`, float32.
        """
        center, spread, inverse = (np.array(each, np.float32) for each in (self.center, self.spread, self.inverse_clip))
        scaled = ops.clip((values - center) / spread, -_FARTHEST, _FARTHEST)
        return scaled / ops.sqrt(ops.square(scaled * inverse) + 1.0)


@dataclass(frozen=True)
class QuantileScaling:
    """A map of each number to a normal distribution, piecewise linear between quantiles.

    Args:
        points: Distinct values of each number, ascending.
        scores: The values that they become. Values between two points are interpolated; those outside become the first
            or last score.
        type: Discriminator of the kinds of scaling.

    Formula:
        score = inverse of the normal distribution at the middle of the ranks of equal values, (rank + 1/2) / rows
    """

    points: tuple[tuple[float, ...], ...]
    scores: tuple[tuple[float, ...], ...]
    type: Literal["quantile"] = "quantile"

    @classmethod
    def measure(cls, sample: Array, *, is_mark: npt.NDArray[np.bool_]) -> QuantileScaling:
        """Measure the numbers on rows of the training split.

        Shape:
            sample: `(rows, numbers)`. is_mark: `(numbers,)`.
        """
        most = max(_LEAST_POINTS, min(_MOST_POINTS, _ALL_POINTS // max(1, sample.shape[1])))
        found = [
            ((0.0, 1.0), (0.0, 1.0)) if is_mark[number] else _normal_scores(sample[:, number], most=most)
            for number in range(sample.shape[1])
        ]
        return cls(tuple(points for points, _ in found), tuple(scores for _, scores in found))

    def apply(self, values: Any, ops: Any = np) -> Any:
        """Return the scaled values.

        Args:
            values: An array, or a tensor.
            ops: `numpy`, or `keras.ops` for tensors.

        Shape:
            values and result: `(..., numbers)`, float32.
        """
        # A search for the segment of a value does not exist in every format of exported models, but a sum over all
        # segments does: those below the value are complete, and those above it have not begun.
        segments = max(1, max(map(len, self.points)) - 1)
        shape = (len(self.points), segments)
        start, width, rise = np.zeros(shape, np.float32), np.ones(shape, np.float32), np.zeros(shape, np.float32)
        for number, (points, scores) in enumerate(zip(self.points, self.scores, strict=True)):
            count = len(points) - 1
            start[number, :count], rise[number, :count] = points[:-1], np.diff(scores)
            width[number, :count] = np.diff(np.array(points, np.float32))
        below = -np.array([scores[0] for scores in self.scores], np.float32)
        part = ops.clip((ops.expand_dims(values, -1) - start) / width, 0.0, 1.0)
        # Not an addition: Keras 3.15 makes a BiasAdd of one, which TensorFlow Lite cannot convert for a sequence.
        return ops.sum(part * rise, axis=-1) - below


Scaling = Annotated[RobustScaling | QuantileScaling, Field(discriminator="type")]


def _normal_scores(values: Array, *, most: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return distinct values of a number, and the normal score of each."""
    distinct, counts = np.unique(values.astype(np.float32), return_counts=True)
    shares = (np.cumsum(counts) - counts / 2) / len(values)
    if len(distinct) > most:
        kept = np.unique(np.searchsorted(shares, np.linspace(shares[0], shares[-1], most)))
        distinct, shares = distinct[kept], shares[kept]
    # Segments too narrow for float32 are joined.
    apart = np.concatenate([[True], np.diff(distinct.astype(np.float64)) > _LEAST_SPREAD])
    distinct, shares = distinct[apart], shares[apart]
    normal = NormalDist()
    return tuple(map(float, map(str, distinct))), tuple(round(normal.inv_cdf(share), 6) for share in shares.tolist())


def _plain(values: Array) -> tuple[float, ...]:
    return tuple(values.astype(np.float64).tolist())
