"""Scale numbers of any distribution: robustly with a smooth clip, or through quantiles to a normal distribution.

Both are arithmetic that is the same in numpy and in Keras, so it is part of an exported model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from dlrun.monotone import MonotoneCurve, apply_curves, normal_scores

Array = npt.NDArray[Any]
ScalingName = Literal["standard", "robust", "quantile", "none"]

_CLIP = 3.0
_FARTHEST = 1e6
"""Scaled values are cut off here before they are squared: the square of 1e18 times 1e18 is not a number in float32."""

_LEAST_SPREAD = 1e-30
"""A smaller spread counts as none, because float32 could not divide by it."""

_LARGEST_SCORE = 5.0
_MOST_KNOTS, _LEAST_KNOTS, _ALL_KNOTS = 128, 16, 1 << 14
"""Knots of one number, and of all numbers together: they are stored with the model as text."""


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
    """A map of each number to a normal distribution, piecewise linear between quantiles, and cut off at -5 and 5.

    Args:
        curves: The map of each number.
        type: Discriminator of the kinds of scaling.
    """

    curves: tuple[MonotoneCurve, ...]
    type: Literal["quantile"] = "quantile"

    @classmethod
    def measure(cls, sample: Array, *, is_mark: npt.NDArray[np.bool_]) -> QuantileScaling:
        """Measure the numbers on rows of the training split.

        Shape:
            sample: `(rows, numbers)`. is_mark: `(numbers,)`.
        """
        most = max(_LEAST_KNOTS, min(_MOST_KNOTS, _ALL_KNOTS // max(1, sample.shape[1])))
        unchanged = MonotoneCurve((0.0, 1.0), (0.0, 1.0))
        return cls(
            tuple(
                unchanged if mark else _normal_curve(sample[:, number], most=most)
                for number, mark in enumerate(is_mark.tolist())
            )
        )

    def apply(self, values: Any, ops: Any = np) -> Any:
        """Return the scaled values.

        Args:
            values: An array, or a tensor.
            ops: `numpy`, or `keras.ops` for tensors.

        Shape:
            values and result: `(..., numbers)`, float32.
        """
        if ops is not np:
            return ops.clip(apply_curves(values, self.curves), -_LARGEST_SCORE, _LARGEST_SCORE)
        scores = [curve(values[..., number]) for number, curve in enumerate(self.curves)]
        return np.clip(np.stack(scores, axis=-1), -_LARGEST_SCORE, _LARGEST_SCORE).astype(np.float32)


Scaling = Annotated[RobustScaling | QuantileScaling, Field(discriminator="type")]


def _normal_curve(values: Array, *, most: int) -> MonotoneCurve:
    """Return the curve that gives a number a normal distribution, with few digits, because it is stored as text."""
    low, high = float(values.min()), float(values.max())
    if high - low <= _LEAST_SPREAD:
        return MonotoneCurve((low, low + max(1.0, abs(low))), (0.0, 1.0))
    curve = normal_scores(values, most=most)
    x, y = np.array(curve.x, np.float32), np.round(curve.y, 6)
    # Knots that are too close for a division in float32 are joined.
    kept = np.concatenate([[True], np.diff(x.astype(np.float64)) > _LEAST_SPREAD])
    return MonotoneCurve(tuple(float(str(each)) for each in x[kept]), tuple(y[kept].tolist()))


def _plain(values: Array) -> tuple[float, ...]:
    return tuple(values.astype(np.float64).tolist())
