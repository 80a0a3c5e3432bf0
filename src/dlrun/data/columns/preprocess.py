"""Preprocessing of table rows inside the training step: scaled numbers and one-hot categories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.columns.column import Column
from dlrun.data.columns.scaling import QuantileScaling, RobustScaling, Scaling, ScalingName
from dlrun.data.continuous import continuous_of, sample_rows
from dlrun.data.preprocess import KERAS_EPSILON, Preprocess
from dlrun.signature import Continuous, Embedded

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class ColumnsPreprocess(Preprocess):
    """Preprocessing of the last axis of stored rows: first numbers, then one-hot ids, then ids to embed.

    Args:
        raw_shape: Shape of one stored example: `(width,)`, or `(steps, width)`.
        numbers: Number of numeric values.
        mean: Mean of each number; empty if they are not standardized.
        variance: Variance of each number; empty if they are not standardized.
        categories: Number of ids of each one-hot column. Id 0, an unknown category, becomes all zeros: a one-hot
            position that no training example uses would have untrained weights.
        type: Discriminator of the kinds of preprocessing.
        scaling: Another way to scale the numbers, instead of standardizing them.
        forward_filled: Places of numbers whose missing values become the last known value in the window. The place
            after each marks its missing values.
    """

    numbers: int
    mean: tuple[float, ...] = ()
    variance: tuple[float, ...] = ()
    categories: tuple[int, ...] = ()
    type: Literal["columns"] = "columns"
    scaling: Scaling | None = None
    forward_filled: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        columns: Sequence[Column],
        *,
        train: Any = None,
        scaling: ScalingName = "standard",
        steps: tuple[int, ...] = (),
        fills_forward: bool = False,
    ) -> ColumnsPreprocess:
        """Return the preprocessing for rows of some columns.

        Args:
            columns: Columns in the order of a stored row.
            train: Stored rows of the training split, which robust and quantile scaling are measured on.
            scaling: How to scale numbers.
            steps: Axes before the last one, `(steps,)` for a sequence of rows.
            fills_forward: Whether missing numbers in a sequence become the last known one.

        Shape:
            train: `(rows, width)`.
        """
        mean: list[float] = []
        variance: list[float] = []
        for column in columns:
            if column.kind in ("numeric", "date"):
                mean += column.measured[0]
                variance += column.measured[1]
        categories = [column.categories for column in columns if column.kind == "categorical" and not column.size]
        width = sum(column.width for column in columns)
        measured = (tuple(mean), tuple(variance)) if scaling == "standard" else ((), ())
        other: RobustScaling | QuantileScaling | None = None
        if scaling in ("robust", "quantile") and mean:
            kind = RobustScaling if scaling == "robust" else QuantileScaling
            is_mark = ~np.isin(np.arange(len(mean)), _number_places(columns))
            other = kind.measure(sample_rows(train)[:, : len(mean)], is_mark=is_mark)
        filled = tuple(_marked_places(columns)) if fills_forward else ()
        return cls((*steps, width), len(mean), *measured, tuple(categories), scaling=other, forward_filled=filled)

    def continuous(self, columns: Sequence[Column], train: Any) -> tuple[Continuous, ...]:
        """Return the continuous numbers among the features, with the edges of their bins.

        Args:
            columns: Columns in the order of a stored row.
            train: Stored rows of the training split.

        Shape:
            train: `(rows, width)`.
        """
        return continuous_of(sample_rows(train)[:, : self.numbers], _number_places(columns), scale=self._scaled)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the features."""
        embedded = self.raw_shape[-1] - self.numbers - len(self.categories)
        return (*self.raw_shape[:-1], self.numbers + sum(count - 1 for count in self.categories) + embedded)

    @property
    def is_standardized(self) -> bool:
        """Whether numbers are scaled."""
        return bool(self.mean) or self.scaling is not None

    def numeric_values(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
        """Return the numbers, which come first in a row; None if there are none."""
        return stored[..., : self.numbers] if self.numbers else None

    def build(self) -> keras.Model:
        """Build the Keras model of the preprocessing.

        Shape:
            Input: `(batch, *raw_shape)`, float32. Output: `(batch, *shape)`, float32.
        """
        import keras

        inputs = keras.Input(self.raw_shape, dtype="float32", name="raw")
        first, last = self.numbers, self.numbers + len(self.categories)
        parts: list[Any] = []
        if first:
            numbers = inputs[..., :first]
            if self.forward_filled:
                numbers = self._fill_forward(numbers)
            if self.mean:
                standardize = keras.layers.Normalization(
                    mean=self.mean, variance=self.variance, dtype="float32", name="standardize"
                )
                numbers = standardize(numbers)
            elif self.scaling is not None:
                numbers = self.scaling.apply(numbers, keras.ops)
            parts.append(numbers)
        if self.categories:
            parts.append(self._one_hot(inputs[..., first:last]))
        # Ids to embed stay as they are: their vectors are learned, so they belong to the model.
        if last < self.raw_shape[-1]:
            parts.append(inputs[..., last:])
        outputs = keras.ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
        return keras.Model(inputs, outputs, name="preprocess")

    def _fill_forward(self, numbers: Any) -> Any:
        """Replace missing numbers by the last known one in the window; those before the first known one stay.

        Shape:
            numbers and result: `(batch, steps, numbers)`.
        """
        from keras import ops

        steps = self.raw_shape[0]
        places = np.arange(self.numbers)
        is_filled = np.isin(places, self.forward_filled)
        missing = ops.take(numbers, np.where(is_filled, places + 1, places), axis=-1) * is_filled.astype(np.float32)
        known = 1.0 - missing
        found, back = numbers * known, 1
        # After each pass the last known value is found in a range of twice as many rows, by arithmetic alone, which
        # every runtime of exported models has.
        while back < steps:
            shift = ((0, 0), (back, 0), (0, 0))
            found = found + missing * ops.pad(found, shift)[:, :steps]
            known = known + missing * ops.pad(known, shift)[:, :steps]
            missing = 1.0 - known
            back *= 2
        return found + missing * numbers

    def _scaled(self, numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return numbers as the preprocessing scales them."""
        if self.mean:
            deviation = np.maximum(np.sqrt(self.variance), KERAS_EPSILON)
            return np.asarray((numbers - np.array(self.mean)) / deviation)
        return numbers if self.scaling is None else np.asarray(self.scaling.apply(numbers))

    def _one_hot(self, ids: Any) -> Any:
        """Return the one-hot encoding of all columns at once: each output compares one id with one category."""
        import keras

        column_of = np.repeat(np.arange(len(self.categories)), [count - 1 for count in self.categories])
        category_of = np.concatenate([np.arange(1, count) for count in self.categories]).astype(np.float32)
        spread = keras.ops.take(ids, column_of, axis=-1)
        return keras.ops.cast(keras.ops.equal(spread, category_of), "float32")


def _number_places(columns: Sequence[Column]) -> list[int]:
    """Return the places of numbers in a stored row, without the marks of missing values between them."""
    places: list[int] = []
    begun = 0
    for column in columns:
        if column.kind in ("numeric", "date"):
            places += range(begun, begun + column.width - column.indicator)
        begun += column.width
    return places


def _marked_places(columns: Sequence[Column]) -> Iterator[int]:
    """Yield the places of numbers whose missing values the place after them marks."""
    begun = 0
    for column in columns:
        if column.kind == "numeric" and column.indicator:
            yield begun
        begun += column.width if column.kind in ("numeric", "date") else 0


def embedded_columns(columns: Sequence[Column]) -> tuple[Embedded, ...]:
    """Return the columns for which the model learns vectors, in the order of a stored row."""
    return tuple(column.embedded for column in columns if column.embedded is not None)
