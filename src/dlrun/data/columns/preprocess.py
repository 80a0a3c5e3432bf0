"""The preprocessing of table rows inside the step: numbers are standardized, small categories become one-hot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.columns.column import Column
from dlrun.data.preprocess import Preprocess
from dlrun.signature import Embedded

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class ColumnsPreprocess(Preprocess):
    """What is done to the last axis of stored rows: to its numbers, its one-hot ids, its embedded ids, in this order.

    Args:
        raw_shape: Shape of one stored example, without the batch axis: `(width,)`, or `(steps, width)`.
        numbers: How many of the last axis are numbers.
        mean: Of each number; empty: they are not standardized.
        variance: With `mean`.
        categories: Of each one-hot column: the number of its ids. Id 0, an unknown category, is all zeros: what no
            training example has would have weights that nothing has trained.
        type: Tells the kinds of preprocessing apart.
    """

    numbers: int
    mean: tuple[float, ...] = ()
    variance: tuple[float, ...] = ()
    categories: tuple[int, ...] = ()
    type: Literal["columns"] = "columns"

    @classmethod
    def of(
        cls, columns: Sequence[Column], *, standardize: bool = True, steps: tuple[int, ...] = ()
    ) -> ColumnsPreprocess:
        """For rows of these columns.

        Args:
            columns: In the order of a stored row.
            standardize: Whether numbers are standardized.
            steps: Axes before the last one: `(steps,)` of a sequence of rows.
        """
        mean: list[float] = []
        variance: list[float] = []
        for column in columns:
            if column.kind in ("numeric", "date"):
                mean += column.measured[0]
                variance += column.measured[1]
        categories = [column.categories for column in columns if column.kind == "categorical" and not column.size]
        width = sum(column.width for column in columns)
        measured = (tuple(mean), tuple(variance)) if standardize else ((), ())
        return cls((*steps, width), len(mean), *measured, tuple(categories))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the features."""
        embedded = self.raw_shape[-1] - self.numbers - len(self.categories)
        return (*self.raw_shape[:-1], self.numbers + sum(count - 1 for count in self.categories) + embedded)

    @property
    def is_standardized(self) -> bool:
        """Whether the numbers have a mean to subtract."""
        return bool(self.mean)

    def numeric_values(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
        """The numbers, which stand first in a row."""
        return stored[..., : self.numbers] if self.numbers else None

    def build(self) -> keras.Model:
        """Make the Keras model that does it.

        Shape:
            Input: `(batch, *raw_shape)`, float32. Output: `(batch, *shape)`, float32.
        """
        import keras

        inputs = keras.Input(self.raw_shape, dtype="float32", name="raw")
        first, last = self.numbers, self.numbers + len(self.categories)
        parts: list[Any] = []
        if first:
            numbers = inputs[..., :first]
            if self.mean:
                standardize = keras.layers.Normalization(
                    mean=self.mean, variance=self.variance, dtype="float32", name="standardize"
                )
                numbers = standardize(numbers)
            parts.append(numbers)
        if self.categories:
            parts.append(self._one_hot(inputs[..., first:last]))
        if last < self.raw_shape[-1]:
            parts.append(inputs[..., last:])
        outputs = keras.ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
        return keras.Model(inputs, outputs, name="preprocess")

    def _one_hot(self, ids: Any) -> Any:
        """One-hot of every column at once: each output compares one of the ids with one category."""
        import keras

        column_of = np.repeat(np.arange(len(self.categories)), [count - 1 for count in self.categories])
        category_of = np.concatenate([np.arange(1, count) for count in self.categories]).astype(np.float32)
        spread = keras.ops.take(ids, column_of, axis=-1)
        return keras.ops.cast(keras.ops.equal(spread, category_of), "float32")


def embedded_columns(columns: Sequence[Column]) -> tuple[Embedded, ...]:
    """What the model learns vectors for, in the order of a stored row."""
    return tuple(column.embedded for column in columns if column.embedded is not None)
