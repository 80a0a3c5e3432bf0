"""A column of dates: five numbers in place of each, of which those that never change tell nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.columns.dates import PARTS, DateLayout, build_dates, parse_dates
from dlrun.signature import Embedded

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class DateColumn:
    """Dates, as year, month, day, day of the week and hour.

    Args:
        name: Of the column.
        layout: How files write them.
        median: Of each part; takes the place of a missing date.
        mean: Of each part.
        variance: Of each part; 1 where it never changes.
        indicator: Whether one more number says where a date was missing.
        required: Whether a missing value is an error.
        in_utc: Whether the parts are those of UTC where a time has an offset; false in runs of before 2026-11-29.
        kind: Tells the kinds of columns apart.
    """

    name: str
    layout: DateLayout
    median: tuple[float, ...]
    mean: tuple[float, ...]
    variance: tuple[float, ...]
    indicator: bool = False
    required: bool = False
    in_utc: bool = False
    kind: Literal["date"] = "date"

    @property
    def width(self) -> int:
        """Numbers that a row holds of it."""
        return len(PARTS) + self.indicator

    @property
    def embedded(self) -> Embedded | None:
        """None."""
        return None

    @property
    def measured(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and variance of each of its numbers."""
        return (*self.mean, 0.0)[: self.width], (*self.variance, 1.0)[: self.width]

    def code(self, known: pa.Array) -> tuple[npt.NDArray[np.float32], int | None]:
        """The stored numbers of some dates, and the index of the first text that is none.

        Args:
            known: Text, null for what is missing.

        Shape:
            Returns: `(rows, width)`.
        """
        parts, wrong = parse_dates(known, self.layout, in_utc=self.in_utc)
        return self.fill(parts), wrong

    def fill(self, parts: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The median in place of NaN, and the indicator if there is one."""
        missing = np.isnan(parts)
        filled = np.where(missing, np.array(self.median, np.float32), parts)
        return np.concatenate([filled, missing[:, :1].astype(np.float32)], axis=1) if self.indicator else filled

    def build(self, tensor: Any, missing: Sequence[str]) -> Any:  # noqa: ARG002  what is no date is missing
        """The same of a Keras tensor: strings `(batch, ..., 1)`; gives `(batch, ..., width)`, float32."""
        import keras

        parts = build_dates(tensor, self.layout, in_utc=self.in_utc)
        absent = keras.ops.isnan(parts)
        filled = keras.ops.where(absent, np.array(self.median, np.float32), parts)
        if not self.indicator:
            return filled
        return keras.ops.concatenate([filled, keras.ops.cast(absent[..., :1], "float32")], axis=-1)
