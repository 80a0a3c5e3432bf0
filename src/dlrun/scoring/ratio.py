"""Division where some divisors are 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any], *, otherwise: float) -> npt.NDArray[np.float64]:
    """`part / whole`, and `otherwise` where `whole` is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole == 0, otherwise, part / whole)
