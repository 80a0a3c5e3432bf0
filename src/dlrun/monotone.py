"""Strictly increasing piecewise linear functions, such as the one that gives a sample a normal distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MOST_KNOTS = 1000
_END = 0.05
"""Fraction of the segments whose common slope continues the curve beyond its ends."""


@dataclass(frozen=True)
class MonotoneCurve:
    """A strictly increasing function that is linear between knots.

    Beyond its ends it continues with the slope of a chord over several segments. The slope of the last segment alone
    depends on two values of the sample, and may be nearly 0 or very steep.

    Args:
        x: Where the knots are, increasing; at least two.
        y: The values there, increasing.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]

    def inverse(self) -> MonotoneCurve:
        """Return the inverse function."""
        return MonotoneCurve(self.y, self.x)

    @property
    def end_slopes(self) -> tuple[float, float]:
        """The slopes below the first knot and above the last."""
        count = max(1, round(_END * (len(self.x) - 1)))
        low = (self.y[count] - self.y[0]) / (self.x[count] - self.x[0])
        high = (self.y[-1] - self.y[-1 - count]) / (self.x[-1] - self.x[-1 - count])
        return low, high

    def __call__(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return the function of numbers, in float64.

        Shape:
            values and result: any, the same.
        """
        import numpy as np

        values = np.asarray(values, np.float64)
        low, high = self.end_slopes
        below, above = np.minimum(values - self.x[0], 0), np.maximum(values - self.x[-1], 0)
        return np.asarray(np.interp(values, self.x, self.y) + low * below + high * above)


def apply_curves(values: Any, curves: Sequence[MonotoneCurve]) -> Any:
    """Apply one curve to each value, with arithmetic that every runtime of exported models has.

    Args:
        values: A tensor, also a symbolic one.
        curves: The curve of each column.

    Formula:
        y_0 + sum_i (y_i+1 - y_i) clip((x - x_i) / (x_i+1 - x_i), 0, 1), and a linear function beyond the ends

    Shape:
        values and result: `(n, len(curves))`, of the same dtype.
    """
    import numpy as np
    from keras import ops

    dtype = values.dtype if isinstance(values.dtype, str) else values.dtype.name
    segments = max(len(curve.x) for curve in curves) - 1
    # A curve with fewer knots gets segments of height 0.
    left, width, height = (np.full((len(curves), segments), fill, np.float64) for fill in (0.0, 1.0, 0.0))
    for row, curve in enumerate(curves):
        count = len(curve.x) - 1
        left[row, :count], width[row, :count], height[row, :count] = curve.x[:-1], np.diff(curve.x), np.diff(curve.y)
    first, last = (np.array([curve.x[end] for curve in curves], dtype) for end in (0, -1))
    start = np.array([curve.y[0] for curve in curves], dtype)
    low, high = (np.array([curve.end_slopes[end] for curve in curves], dtype) for end in (0, 1))
    shares = ops.clip((ops.expand_dims(values, -1) - left.astype(dtype)) / width.astype(dtype), 0.0, 1.0)
    inside = ops.sum(shares * height.astype(dtype), axis=-1)
    below, above = ops.minimum(values - first, 0.0), ops.maximum(values - last, 0.0)
    # Each symbolic tensor is on the left, because numpy would try to convert one on the right. Nothing is added:
    # Keras 3.15 may make a BiasAdd of that, which TensorFlow Lite cannot convert for a sequence.
    return inside - -start - below * -low - above * -high


def normal_scores(values: npt.NDArray[Any], *, most: int = MOST_KNOTS) -> MonotoneCurve:
    """Return the curve that maps a sample to the standard normal distribution through its quantiles.

    Equal values get one knot, at the mean of their levels. The smallest and the largest value are always knots, so that
    no value of the sample is extrapolated.

    Args:
        values: The sample, finite, with at least two different values.
        most: Largest number of quantiles between the smallest and the largest value.

    Formula:
        y(quantile at level p) = inverse of the normal distribution function at p

    Shape:
        values: `(n,)`.
    """
    import numpy as np

    count = len(values)
    middle = (np.arange(min(most, count)) + 0.5) / min(most, count)
    levels = np.unique(np.concatenate([[0.5 / count], middle, [1 - 0.5 / count]]))
    quantiles = np.quantile(np.asarray(values, np.float64), levels, method="hazen")
    # Exported models compute in float32, which has to tell the knots apart.
    _, first, members, counts = np.unique(
        quantiles.astype(np.float32), return_index=True, return_inverse=True, return_counts=True
    )
    shared = np.bincount(members.reshape(-1), levels) / counts
    normal = NormalDist()
    return MonotoneCurve(tuple(quantiles[first].tolist()), tuple(map(normal.inv_cdf, shared.tolist())))
