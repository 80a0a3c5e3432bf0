"""Transform the values of a target before they are standardized, and undo it: with arrays, and with tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlrun.monotone import MonotoneCurve, apply_curves

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dlrun.signature import Target


def transform_values(values: npt.ArrayLike, target: Target) -> npt.NDArray[np.float64]:
    """Return values as they are before they are standardized.

    Args:
        values: Values in the unit of the data. For log1p, those of -1 and below have no finite result.
        target: The target with its transformation.

    Shape:
        values and result: `(..., size)`; the result is float64.
    """
    import numpy as np

    values = np.asarray(values, np.float64)
    if target.transform == "log1p":
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.log1p(values))
    return _by_column(values, target.curves) if target.transform == "quantile" else values


def restore_values(values: npt.ArrayLike, target: Target) -> npt.NDArray[np.float64]:
    """Return transformed values in the unit of the data: the inverse of `transform_values`.

    Shape:
        values and result: `(..., size)`; the result is float64.
    """
    import numpy as np

    values = np.asarray(values, np.float64)
    if target.transform == "log1p":
        with np.errstate(over="ignore"):
            return np.asarray(np.expm1(values))
    curves = tuple(curve.inverse() for curve in target.curves)
    return _by_column(values, curves) if target.transform == "quantile" else values


def transform_tensor(values: Any, target: Target) -> Any:
    """Return a tensor of values as they are before they are standardized.

    Shape:
        values and result: `(n, size)`, of the same dtype.
    """
    from keras import ops

    if target.transform == "log1p":
        return ops.log1p(values)
    return apply_curves(values, target.curves) if target.transform == "quantile" else values


def restore_tensor(values: Any, target: Target) -> Any:
    """Return a tensor of transformed values in the unit of the data, with operations that every export format has.

    Formula:
        log1p: exp(x) - 1 = tanh(x / 2) (exp(x) + 1), which keeps the digits of small numbers

    Shape:
        values and result: `(n, size)`, of the same dtype.
    """
    from keras import ops

    if target.transform == "log1p":
        return ops.tanh(values * 0.5) * (ops.exp(values) + 1.0)
    curves = tuple(curve.inverse() for curve in target.curves)
    return apply_curves(values, curves) if target.transform == "quantile" else values


def _by_column(values: npt.NDArray[np.float64], curves: tuple[MonotoneCurve, ...]) -> npt.NDArray[np.float64]:
    import numpy as np

    return np.stack([curve(values[..., number]) for number, curve in enumerate(curves)], axis=-1)
