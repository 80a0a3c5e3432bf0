"""Errors of reconstructions in; their mean and quantiles out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)


def error_statistics(errors: npt.NDArray[Any]) -> dict[str, float]:
    """How reconstruction errors are spread: what is usual, and from where on an example is an odd one.

    Formula:
        the mean, and quantiles with linear interpolation between neighbours (type 7 of Hyndman and Fan, 1996, "Sample
        Quantiles in Statistical Packages")

    Shape:
        errors: `(n,)`.

    Returns:
        `mean`, then `minimum`, `quantile_0.25`, `median`, ..., `maximum`.
    """
    names = {0.0: "minimum", 0.5: "median", 1.0: "maximum"}
    keys = [names.get(quantile, f"quantile_{quantile:g}") for quantile in QUANTILES]
    if not len(errors):
        return dict.fromkeys(("mean", *keys), np.nan)
    values = np.quantile(errors.astype(np.float64), QUANTILES)
    return {
        "mean": float(errors.mean(dtype=np.float64)),
        **{key: float(value) for key, value in zip(keys, values, strict=True)},
    }
