"""The columns that a model is given, each with what was measured of it on the training split: plain values, as JSON.

Stored, a row is float32 numbers: what columns of numbers and dates hold, then the ids of one-hot columns, then those of
embedded columns, then those of the words of text columns. float32 holds every whole number below 2^24.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from dlrun.data.columns.dates import PARTS, DateColumn
from dlrun.data.columns.numbers import Notation, parse_numbers
from dlrun.data.columns.text_column import TextColumn
from dlrun.data.columns.texts import as_texts, missing_numbers
from dlrun.data.files.spelling import index_in, other_spellings
from dlrun.signature import Embedded

if TYPE_CHECKING:
    import pyarrow as pa

Stored = npt.NDArray[np.float32]
_LITTLE = 1e-4


MISSING, UNKNOWN = "missing", "unknown"
_SHOWN_WORDS = 40


@dataclass(frozen=True)
class NumericColumn:
    """Numbers.

    Args:
        name: Of the column.
        median: Takes the place of a missing value.
        mean: With the median in place of missing values.
        variance: The same; 1 where the values never change.
        notation: How files write its numbers.
        indicator: Whether a second number says where the value was missing.
        required: Whether a missing value is an error.
        offset: What is taken off every value before it is made float32, as that would not hold them apart; what was
            measured is of what is left.
        kind: Tells the kinds of columns apart.
    """

    name: str
    median: float
    mean: float
    variance: float
    notation: Notation = "plain"
    indicator: bool = False
    required: bool = False
    offset: float = 0.0
    kind: Literal["numeric"] = "numeric"

    @property
    def fits_float64(self) -> bool:
        """Whether float64 rounds the values, as they are before `offset` is taken off, by little of their spread."""
        step = np.spacing(abs(self.offset))
        return bool(step <= 1 or step / 2 <= _LITTLE * math.sqrt(self.variance))

    @property
    def input_dtype(self) -> str:
        """What a deployed model takes."""
        return "float64" if self.offset else "float32"

    @property
    def width(self) -> int:
        """Numbers that a row holds of it."""
        return 1 + self.indicator

    @property
    def embedded(self) -> Embedded | None:
        """None."""
        return None

    @property
    def measured(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and variance of each of its numbers."""
        return (self.mean, 0.0)[: self.width], (self.variance, 1.0)[: self.width]

    def code(self, known: pa.Array) -> tuple[Stored, int | None]:
        """The stored numbers of some values, and the index of the first that is none.

        Args:
            known: Text or numbers, null for what is missing.

        Shape:
            Returns: `(rows, width)`.
        """
        values, wrong = self.parse(known)
        return self.fill(values), wrong

    def parse(self, known: pa.Array) -> tuple[npt.NDArray[np.float32], int | None]:
        """The numbers less the offset, NaN where one is missing; and the index of the first that is none.

        Shape:
            Returns: `(rows,)`.
        """
        values, wrong = parse_numbers(known, self.notation, offset=self.offset)
        with np.errstate(over="ignore"):
            return values.astype(np.float32), wrong

    def given(self, known: pa.Array) -> npt.NDArray[np.floating[Any]]:
        """Numbers as a deployed model takes them, NaN where one is missing.

        Shape:
            Returns: `(rows,)`.
        """
        with np.errstate(over="ignore"):
            return parse_numbers(known, self.notation)[0].astype(self.input_dtype)

    def fill(self, values: npt.NDArray[np.float32]) -> Stored:
        """The median in place of NaN, and the indicator if there is one."""
        missing = np.isnan(values)
        filled = np.where(missing, np.float32(self.median), values)
        columns = [filled, missing.astype(np.float32)] if self.indicator else [filled]
        return np.stack(columns, axis=-1)

    def build(self, tensor: Any, missing: Sequence[str]) -> Any:
        """The same of a Keras tensor: float32 `(batch, 1)`, NaN for what is missing; gives `(batch, width)`.

        Args:
            tensor: What the user gives.
            missing: The texts that mean missing; numbers among them do so here too.
        """
        import keras

        absent = keras.ops.isnan(tensor)
        for number in missing_numbers(missing):
            absent = keras.ops.logical_or(absent, keras.ops.equal(tensor, np.dtype(self.input_dtype).type(number)))
        if self.offset:
            tensor = keras.ops.cast(keras.ops.subtract(tensor, np.float64(self.offset)), "float32")
        filled = keras.ops.where(absent, np.float32(self.median), tensor)
        if not self.indicator:
            return filled
        return keras.ops.concatenate([filled, keras.ops.cast(absent, "float32")], axis=-1)


@dataclass(frozen=True)
class CategoricalColumn:
    """Categories: id 0 is every unknown one, 1 to n those of the training split by frequency, n + 1 missing ones.

    Args:
        name: Of the column.
        vocabulary: The known categories.
        has_missing: Whether the training split has missing ones; else they count as unknown.
        size: Width of the vector that the model learns for each; 0: it is one-hot.
        required: Whether a missing value is an error.
        new_share: Part of other rows whose category is to be expected to be unknown: as many training rows have one
            that no other has, or one that is not among the most frequent; None: it was not measured.
        kind: Tells the kinds of columns apart.
    """

    name: str
    vocabulary: tuple[str, ...]
    has_missing: bool = False
    size: int = 0
    required: bool = False
    new_share: float | None = None
    kind: Literal["categorical"] = "categorical"

    @property
    def width(self) -> int:
        """Numbers that a row holds of it."""
        return 1

    @property
    def categories(self) -> int:
        """Number of ids."""
        return 1 + len(self.vocabulary) + self.has_missing

    @property
    def missing_id(self) -> int:
        """What a missing value has."""
        return len(self.vocabulary) + 1 if self.has_missing else 0

    @property
    def embedded(self) -> Embedded | None:
        """What the model learns for it, or None if it is one-hot."""
        return Embedded(self.name, self.categories, self.size) if self.size else None

    def code(self, known: pa.Array) -> tuple[Stored, int | None]:
        """The stored ids of some values; none is wrong.

        Args:
            known: Text or numbers, null for what is missing.

        Shape:
            Returns: `(rows, 1)`.
        """
        texts = as_texts(known)
        ids = index_in(texts, self.vocabulary) + 1
        ids[texts.is_null().to_numpy(zero_copy_only=False)] = self.missing_id
        return ids.astype(np.float32)[:, None], None

    def build(self, tensor: Any, missing: Sequence[str]) -> Any:
        """The same of a Keras tensor: strings `(batch, 1)`; gives `(batch, 1)`, float32.

        Args:
            tensor: What the user gives.
            missing: The texts that mean missing.
        """
        import keras

        lookup, (ids,) = shared_lookup([self], missing)
        return keras.ops.take(np.array(ids, np.float32), keras.ops.cast(lookup(tensor), "int32"))

    def ids_of_texts(self, missing: Sequence[str]) -> dict[str, int]:
        """The id that is stored of each text but those that are unknown.

        Args:
            missing: The texts that mean missing.
        """
        ids = {category: number for number, category in enumerate(self.vocabulary, start=1)}
        ids |= {marker: self.missing_id for marker in missing if marker not in ids}
        for number, category in enumerate(self.vocabulary, start=1):
            for other in other_spellings(category):
                ids.setdefault(other, number)
        return ids

    def spelled(self, known: pa.Array) -> list[str]:
        """Some values as the deployed model knows them; what is missing is empty."""
        texts, ids = as_texts(known).to_pylist(), self.code(known)[0][:, 0].astype(int)
        size = len(self.vocabulary)
        return [
            self.vocabulary[number - 1] if 0 < number <= size else text or ""
            for text, number in zip(texts, ids.tolist(), strict=True)
        ]


def shared_lookup(
    columns: Sequence[CategoricalColumn], missing: Sequence[str], *, name: str | None = None
) -> tuple[Any, list[list[int]]]:
    """One Keras layer that numbers the strings of several columns, and of each column the id of each number.

    Args:
        columns: Those whose texts it knows.
        missing: The texts that mean missing.
        name: Of the layer; None: as Keras calls it.
    """
    import keras

    ids = [column.ids_of_texts(missing) for column in columns]
    texts = list(dict.fromkeys(text for known in ids for text in known)) or [""]
    unknown = "[UNK]"
    while unknown in texts:
        unknown = f"[{unknown}]"
    lookup = keras.layers.StringLookup(vocabulary=texts, oov_token=unknown, num_oov_indices=1, name=name)
    return lookup, [[0, *(known.get(text, 0) for text in texts)] for known in ids]


Column = Annotated[NumericColumn | DateColumn | CategoricalColumn | TextColumn, Field(discriminator="kind")]


def shown_row(columns: Sequence[Column], stored: npt.NDArray[Any]) -> dict[str, str]:
    """The values of one row, by column; where a missing number was filled in without a mark, what it was filled with.

    Args:
        columns: In the order of a stored row.
        stored: The row.

    Shape:
        stored: `(total width of the columns,)`.
    """
    shown: dict[str, str] = {}
    begun = 0
    for column in columns:
        shown[column.name] = _shown(column, stored[begun : begun + column.width].tolist())
        begun += column.width
    return shown


def _shown(column: Column, values: list[float]) -> str:
    if column.kind in ("numeric", "date") and column.indicator and values[-1]:
        return MISSING
    if column.kind == "numeric":
        return f"{values[0] + column.offset:.15g}" if column.offset else f"{values[0]:.7g}"
    if column.kind == "date":
        part = dict(zip(PARTS, map(int, values), strict=False))
        return f"{part['year']:04d}-{part['month']:02d}-{part['day']:02d} {part['hour']:02d}:00"
    if column.kind == "categorical":
        return category_name(column.vocabulary, int(values[0]), has_missing=column.has_missing)
    known = ("", UNKNOWN, *column.vocabulary)
    words = [known[int(number)] for number in values if number]
    return " ".join(words[:_SHOWN_WORDS]) + (" ..." if len(words) > _SHOWN_WORDS else "")


def category_name(vocabulary: Sequence[str], number: int, *, has_missing: bool) -> str:
    """What the id of a category stands for.

    Args:
        vocabulary: The known categories.
        number: The id.
        has_missing: Whether the last id is that of missing values.
    """
    if number == 0:
        return UNKNOWN
    return MISSING if has_missing and number > len(vocabulary) else vocabulary[number - 1]
