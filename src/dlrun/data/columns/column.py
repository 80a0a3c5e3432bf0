"""The columns of a trained model, with the statistics of the training split. They are saved as JSON.

A stored row consists of float32 numbers: the values of numeric and date columns, then the ids of one-hot columns, of
embedded columns, and of the words of text columns. float32 represents every whole number below 2^24 exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from dlrun.data.columns.dates import PARTS, DateColumn
from dlrun.data.columns.numbers import Notation, parse_numbers
from dlrun.data.columns.text_column import TextColumn
from dlrun.data.columns.texts import as_texts, missing_numbers
from dlrun.data.files.spelling import index_in, other_spellings
from dlrun.scoring.dependence import ColumnGrid, category_grid, number_grid
from dlrun.signature import Embedded

if TYPE_CHECKING:
    import pyarrow as pa

Stored = npt.NDArray[np.float32]
_LITTLE = 1e-4


MISSING, UNKNOWN = "missing", "unknown"
_SHOWN_WORDS = 40


@dataclass(frozen=True)
class NumericColumn:
    """A column of numbers.

    Args:
        name: Name of the column.
        median: Median, which replaces missing values.
        mean: Mean, after missing values are replaced.
        variance: Variance, after missing values are replaced; 1 if all values are the same.
        notation: Notation of the numbers in files.
        indicator: Whether a second number marks missing values.
        required: Whether a missing value is an error.
        offset: Offset that is subtracted before the conversion to float32, which could not represent the differences
            otherwise. The statistics are those of the remaining numbers.
        kind: Discriminator of the kinds of columns.
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
        """Whether the rounding error of the values in float64, before `offset` is subtracted, is small."""
        # With a spacing of at most 1, whole numbers are exact. Beyond that, the rounding error, at most half a spacing,
        # must be small against the spread of the values.
        step = np.spacing(abs(self.offset))
        return bool(step <= 1 or step / 2 <= _LITTLE * math.sqrt(self.variance))

    @property
    def input_dtype(self) -> str:
        """The data type that an exported model takes."""
        return "float64" if self.offset else "float32"

    @property
    def width(self) -> int:
        """The number of stored values per row."""
        return 1 + self.indicator

    @property
    def embedded(self) -> Embedded | None:
        """Always None: numbers are not embedded."""
        return None

    @property
    def measured(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The mean and variance of each stored value."""
        return (self.mean, 0.0)[: self.width], (self.variance, 1.0)[: self.width]

    def code(self, known: pa.Array) -> tuple[Stored, int | None]:
        """Return the stored form of some values, and the index of the first that is not a number.

        Args:
            known: Texts or numbers, null if missing.

        Shape:
            Returns: `(rows, width)`.
        """
        values, wrong = self.parse(known)
        return self.fill(values), wrong

    def parse(self, known: pa.Array) -> tuple[npt.NDArray[np.float32], int | None]:
        """Return the numbers minus the offset, NaN if missing, and the index of the first that is not a number.

        Shape:
            Returns: `(rows,)`.
        """
        values, wrong = parse_numbers(known, self.notation, offset=self.offset)
        # A number that float32 cannot represent is wrong already, by `LARGEST`; a warning of numpy would say it again.
        with np.errstate(over="ignore"):
            return values.astype(np.float32), wrong

    def given(self, known: pa.Array) -> npt.NDArray[np.floating[Any]]:
        """Return numbers in the form that an exported model takes, NaN if missing.

        Shape:
            Returns: `(rows,)`.
        """
        with np.errstate(over="ignore"):
            return parse_numbers(known, self.notation)[0].astype(self.input_dtype)

    def fill(self, values: npt.NDArray[np.float32]) -> Stored:
        """Return the values with NaN replaced by the median, and the indicator if there is one."""
        missing = np.isnan(values)
        filled = np.where(missing, np.float32(self.median), values)
        columns = [filled, missing.astype(np.float32)] if self.indicator else [filled]
        return np.stack(columns, axis=-1)

    def build(self, tensor: Any, missing: Sequence[str]) -> Any:
        """Build the Keras layers that do the same as `code`.

        Args:
            tensor: Input tensor of numbers, NaN if missing.
            missing: Texts that mark missing values. The numbers among them mark missing values here, too.

        Shape:
            tensor: `(batch, 1)`. Returns: `(batch, width)`, float32.
        """
        import keras

        # Markers such as -999 are compared with the numbers as they are in files, so before the offset is subtracted.
        absent = keras.ops.isnan(tensor)
        for number in missing_numbers(missing):
            absent = keras.ops.logical_or(absent, keras.ops.equal(tensor, np.dtype(self.input_dtype).type(number)))
        if self.offset:
            # Subtract in float64: a cast before it would lose the differences for which the offset exists.
            tensor = keras.ops.cast(keras.ops.subtract(tensor, np.float64(self.offset)), "float32")
        filled = keras.ops.where(absent, np.float32(self.median), tensor)
        if not self.indicator:
            return filled
        return keras.ops.concatenate([filled, keras.ops.cast(absent, "float32")], axis=-1)


@dataclass(frozen=True)
class CategoricalColumn:
    """A column of categories: id 0 is unknown, 1 to n are the training categories by frequency, n + 1 is missing.

    Args:
        name: Name of the column.
        vocabulary: Known categories.
        has_missing: Whether the training split has missing values. If not, they count as unknown.
        size: Width of the vectors that the model learns; 0 for one-hot encoding.
        required: Whether a missing value is an error.
        new_share: Expected fraction of unknown categories in new rows: the fraction of training rows whose category
            occurs once, or is not among the most frequent ones. None if it was not measured.
        kind: Discriminator of the kinds of columns.
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
        """The number of stored values per row."""
        return 1

    @property
    def categories(self) -> int:
        """The number of ids."""
        return 1 + len(self.vocabulary) + self.has_missing

    @property
    def missing_id(self) -> int:
        """The id of a missing value."""
        return len(self.vocabulary) + 1 if self.has_missing else 0

    @property
    def embedded(self) -> Embedded | None:
        """The vectors that the model learns; None for one-hot encoding."""
        return Embedded(self.name, self.categories, self.size) if self.size else None

    def code(self, known: pa.Array) -> tuple[Stored, int | None]:
        """Return the stored ids of some values, and None, because every value is valid.

        Args:
            known: Texts or numbers, null if missing.

        Shape:
            Returns: `(rows, 1)`.
        """
        texts = as_texts(known)
        ids = index_in(texts, self.vocabulary) + 1
        ids[texts.is_null().to_numpy(zero_copy_only=False)] = self.missing_id
        return ids.astype(np.float32)[:, None], None

    def build(self, tensor: Any, missing: Sequence[str]) -> Any:
        """Build the Keras layers that do the same as `code`.

        Args:
            tensor: Input tensor of strings.
            missing: Texts that mark missing values.

        Shape:
            tensor: `(batch, 1)`. Returns: `(batch, 1)`, float32.
        """
        import keras

        lookup, (ids,) = shared_lookup([self], missing)
        return keras.ops.take(np.array(ids, np.float32), keras.ops.cast(lookup(tensor), "int32"))

    def ids_of_texts(self, missing: Sequence[str]) -> dict[str, int]:
        """Return the stored id of every known text.

        Args:
            missing: Texts that mark missing values.
        """
        # A text may have several meanings, of which the first one here holds:
        # 1. a category in its exact spelling,
        # 2. a marker of missing values,
        # 3. another spelling of a category.
        ids = {category: number for number, category in enumerate(self.vocabulary, start=1)}
        ids |= {marker: self.missing_id for marker in missing if marker not in ids}
        for number, category in enumerate(self.vocabulary, start=1):
            for other in other_spellings(category):
                ids.setdefault(other, number)
        return ids

    def spelled(self, known: pa.Array) -> list[str]:
        """Return some values as an exported model spells them, empty if missing."""
        texts, ids = as_texts(known).to_pylist(), self.code(known)[0][:, 0].astype(int)
        size = len(self.vocabulary)
        return [
            self.vocabulary[number - 1] if 0 < number <= size else text or ""
            for text, number in zip(texts, ids.tolist(), strict=True)
        ]


def shared_lookup(
    columns: Sequence[CategoricalColumn], missing: Sequence[str], *, name: str | None = None
) -> tuple[Any, list[list[int]]]:
    """Return one Keras layer that looks up the strings of several columns, and a table from its indices to ids.

    Args:
        columns: Columns whose texts the layer knows.
        missing: Texts that mark missing values.
        name: Name of the layer; None for the default of Keras.

    Returns:
        The layer, and for each column the id of each index of the layer.
    """
    import keras

    ids = [column.ids_of_texts(missing) for column in columns]
    # Keras refuses an empty vocabulary.
    texts = list(dict.fromkeys(text for known in ids for text in known)) or [""]
    # A category may have the same text as the token of Keras for unknown texts.
    unknown = "[UNK]"
    while unknown in texts:
        unknown = f"[{unknown}]"
    lookup = keras.layers.StringLookup(vocabulary=texts, oov_token=unknown, num_oov_indices=1, name=name)
    return lookup, [[0, *(known.get(text, 0) for text in texts)] for known in ids]


Column = Annotated[NumericColumn | DateColumn | CategoricalColumn | TextColumn, Field(discriminator="kind")]


def shown_row(columns: Sequence[Column], stored: npt.NDArray[Any]) -> dict[str, str]:
    """Return the values of one row as text, by column.

    A missing number without an indicator is shown as the median that replaced it.

    Args:
        columns: Columns in the order of a stored row.
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
        # The sum is a float64, with 15 significant digits; a float32 has 7.
        return f"{values[0] + column.offset:.15g}" if column.offset else f"{values[0]:.7g}"
    if column.kind == "date":
        # Not strict, because an indicator may follow the parts.
        part = dict(zip(PARTS, map(int, values), strict=False))
        return f"{part['year']:04d}-{part['month']:02d}-{part['day']:02d} {part['hour']:02d}:00"
    if column.kind == "categorical":
        return category_name(column.vocabulary, int(values[0]), has_missing=column.has_missing)
    known = ("", UNKNOWN, *column.vocabulary)
    words = [known[int(number)] for number in values if number]
    return " ".join(words[:_SHOWN_WORDS]) + (" ..." if len(words) > _SHOWN_WORDS else "")


def column_grid(column: Column, cells: npt.NDArray[Any]) -> ColumnGrid | None:
    """Return the values of a column at which to look at predictions; None for texts and for constant columns.

    Args:
        column: The column.
        cells: Its stored values in some examples, `(n, column.width)`.
    """
    if column.kind == "text":
        return None
    if column.kind == "categorical":
        return category_grid(column.name, cells[:, 0], partial(_category, column))
    if column.indicator:
        cells = cells[cells[:, -1] == 0]
    if column.kind == "numeric":
        return number_grid(column.name, cells[:, 0].astype(np.float64) + column.offset, cells)
    year, month, day, _, hour = cells[:, : len(PARTS)].astype(np.float64).T
    return number_grid(column.name, year + (month - 1) / 12 + (day - 1 + hour / 24) / 372, cells)


def _category(column: CategoricalColumn, number: int) -> str:
    return category_name(column.vocabulary, number, has_missing=column.has_missing)


def category_name(vocabulary: Sequence[str], number: int, *, has_missing: bool) -> str:
    """Return the name of a category.

    Args:
        vocabulary: Known categories.
        number: Id of the category.
        has_missing: Whether the last id stands for missing values.
    """
    if number == 0:
        return UNKNOWN
    return MISSING if has_missing and number > len(vocabulary) else vocabulary[number - 1]
