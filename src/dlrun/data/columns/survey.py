"""Survey the values of each column in one pass over the rows, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dlrun.data.columns.dates import DateLayout, is_date
from dlrun.data.columns.numbers import (
    PATTERNS,
    PLAIN,
    Floats,
    Notation,
    count_notations,
    is_numbers,
    merges_in_float32,
    parse_numbers,
)
from dlrun.data.columns.texts import as_texts, known_values
from dlrun.data.files.spelling import canonical_texts
from dlrun.data.files.table_files import TableFiles

if TYPE_CHECKING:
    import pyarrow as pa

MOST_COUNTED = 100_000
"""Maximum number of distinct texts that are counted in a column. For numbers it is lower: they often have very many."""

_MOST_NUMBERS_COUNTED = 2_000
_MODULUS = (1 << 64) - 1
_MOST_COMPARED = 1_000_000
"""Number of rows up to which whole numbers are kept to find out whether all are different: 8 MB for such a column."""

_DENSE = 0.5
_ROWS_OF_A_PERMUTATION, _ROWS_OF_A_SAMPLE = 20, 50
"""Number of rows from which on whole numbers without gaps, and with gaps, are unlikely to be a measurement."""

_ID_NAME = re.compile(r"(^|[_\W])(id|uuid|guid|key|index|rownames?|rowid|no|nr)$|[a-z](?-i:Id|ID)$", re.IGNORECASE)
_ISO = r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ]\d{1,2}:\d{2}.*)?$"
_DAY_FIRST = r"^\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})([T ]\d{1,2}:\d{2}(:\d{2})?\s?([AaPp][Mm])?)?$"


@dataclass
class ColumnSurvey:
    """The survey of one column.

    Args:
        name: Name of the column.
        came_as_numbers: Whether the file stores numbers, as Parquet can.
        rows: Number of rows.
        missing: Number of rows without a value.
        notations: Number of values that fit each notation of numbers.
        dates: Number of values that look like a date.
        layouts: Number of values that fit each readable layout of dates.
        words: Total number of words.
        counts: Number of occurrences of each distinct value; empty once there are too many.
        is_many: Whether there are too many distinct values to count.
        is_whole: Whether all numbers are whole.
        zero_led: First whole number that starts with a zero, such as the zip code 02134; empty if there is none.
        low: Smallest number.
        high: Largest number.
        total: Sum of the whole numbers and of their squares, each modulo 2^64.
        sum: Sum of the numbers in float64.
        merges: Whether different numbers become equal in float32.
        different: The whole numbers in ascending order, as long as no two are equal; None once two are, or if there
            are too many to compare.
    """

    name: str
    came_as_numbers: bool = False
    rows: int = 0
    missing: int = 0
    notations: dict[Notation, int] = field(default_factory=lambda: dict.fromkeys(PATTERNS, 0))
    dates: int = 0
    layouts: dict[DateLayout, int] = field(default_factory=lambda: {"ymd": 0, "dmy": 0, "mdy": 0})
    words: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    is_many: bool = False
    is_whole: bool = True
    zero_led: str = ""
    low: float = float("inf")
    high: float = float("-inf")
    total: tuple[int, int] = (0, 0)
    sum: float = 0.0
    merges: bool = False
    different: npt.NDArray[np.int64] | None = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def centre(self) -> float:
        """The mean of the numbers, rounded if all are whole."""
        mean = self.sum / max(1, self.notations["plain"])
        return float(round(mean)) if self.is_whole else mean

    @property
    def known(self) -> int:
        """The number of rows with a value."""
        return self.rows - self.missing

    @property
    def is_constant(self) -> bool:
        """Whether all rows have the same value."""
        if self.is_many or self.missing:
            return False
        # 1.5 and 1.50 are two texts, but one number.
        return len(self.counts) == 1 or (self.numeric and self.low == self.high)

    @property
    def numeric(self) -> bool:
        """Whether every value is a number, in one notation."""
        return self.known > 0 and self.known in self.notations.values()

    @property
    def is_permutation(self) -> bool:
        """Whether the values are consecutive whole numbers in any order, such as row numbers.

        Formula:
            high - low + 1 = n, and the sum and the sum of squares equal those of low, ..., high.
        """
        count = self.known
        if not (self.numeric and self.is_whole and self.notations["plain"] == count > 1):
            return False
        low, high = int(self.low), int(self.high)
        if high - low + 1 != count:
            return False
        squares = _squares(high) - _squares(low - 1)
        return self.total == ((low + high) * count // 2 & _MODULUS, squares & _MODULUS)

    @property
    def is_sparse_permutation(self) -> bool:
        """Whether the values are different whole numbers from a range that they fill at least by half.

        Row numbers are like this when some of the rows are elsewhere, in a test file for example.
        """
        count = self.known
        is_different = self.different is not None and len(self.different) == count > 1
        return is_different and self.is_whole and count >= _DENSE * (self.high - self.low + 1)

    @property
    def is_row_number(self) -> bool:
        """Whether there are enough rows to say that the values number the rows."""
        few = self.known < _ROWS_OF_A_PERMUTATION or not self.is_permutation
        return not few or (self.known >= _ROWS_OF_A_SAMPLE and self.is_sparse_permutation)

    @property
    def is_called_id(self) -> bool:
        """Whether its name is typical for ids."""
        return _ID_NAME.search(self.name) is not None

    def add(self, array: pa.Array, missing: Sequence[str]) -> None:
        """Count the values of one block."""
        import pyarrow.compute as pc

        self.came_as_numbers = is_numbers(array)
        known = known_values(array, missing)
        self.rows += len(known)
        if self.came_as_numbers:
            known = pc.if_else(pc.is_nan(known), None, known) if "float" in str(known.type) else known
        known = known.drop_null()
        self.missing += len(array) - len(known)
        if not len(known):
            return
        numbers, wrong = parse_numbers(known, "plain")
        if wrong is None:
            for notation in PLAIN:
                self.notations[notation] += len(known)
            self._add_numbers(numbers)
            if self.is_whole and not self.zero_led and not self.came_as_numbers:
                self.zero_led = _zero_led(known)
        self._count(known, plain=wrong is None)

    def _add_numbers(self, numbers: Floats) -> None:
        self.low, self.high = min(self.low, float(numbers.min())), max(self.high, float(numbers.max()))
        self.is_whole = self.is_whole and bool((np.floor(numbers) == numbers).all())
        self.sum += float(numbers.sum())
        self.merges = self.merges or merges_in_float32(numbers, is_whole=self.is_whole)
        # float64 represents whole numbers exactly below 2^53, and sums of uint64 are exact modulo 2^64. With larger
        # numbers the total is incomplete, so a column that has them does not count as row numbers.
        if self.is_whole and max(abs(self.low), abs(self.high)) < 2.0**53:
            whole = numbers.astype(np.int64).view(np.uint64)
            add, squares = int(whole.sum(dtype=np.uint64)), int((whole * whole).sum(dtype=np.uint64))
            self.total = ((self.total[0] + add) & _MODULUS, (self.total[1] + squares) & _MODULUS)
            self._compare(whole.view(np.int64))
        else:
            self.different = None

    def _compare(self, numbers: npt.NDArray[np.int64]) -> None:
        """Keep whole numbers as long as all are different."""
        if self.different is None:
            return
        total = len(self.different) + len(numbers)
        together = np.union1d(self.different, numbers) if total <= _MOST_COMPARED else self.different
        self.different = together if len(together) == total else None

    def _count(self, known: pa.Array, *, plain: bool) -> None:
        """Count distinct values, and the notations and layouts of those that are not plain numbers."""
        import pyarrow.compute as pc

        # Plain numbers add nothing but distinct values, which are no longer counted.
        if plain and self.is_many:
            return
        counted = pc.value_counts(canonical_texts(as_texts(known)))
        values, counts = counted.field("values"), counted.field("counts").to_numpy()
        if not plain:
            for notation, count in count_notations(values, counts).items():
                self.notations[notation] += count
            self.dates += int(counts[pc.match_substring_regex(values, f"{_ISO}|{_DAY_FIRST}").to_numpy(False)].sum())
            for layout in self.layouts:
                self.layouts[layout] += int(counts[is_date(values, layout)].sum())
            self.words += int((pc.add(pc.count_substring_regex(values, r"\s+"), 1).to_numpy() * counts).sum())
            self.is_whole = False
        if self.is_many:
            return
        for value, count in zip(values.to_pylist(), counts.tolist(), strict=True):
            self.counts[value] = self.counts.get(value, 0) + count
        is_number = plain and self.notations["plain"] == self.known
        if len(self.counts) > (_MOST_NUMBERS_COUNTED if is_number and not self.is_called_id else MOST_COUNTED):
            self.is_many = True
            self.counts.clear()


def survey_columns(table: TableFiles, names: Sequence[str], *, missing: Sequence[str]) -> Mapping[str, ColumnSurvey]:
    """Survey the values of columns.

    Args:
        table: The training rows.
        names: Names of the columns.
        missing: Texts that mark missing values.

    Raises:
        DataError: A file is damaged; the error names the line.
    """
    surveys = {name: ColumnSurvey(name) for name in names}
    for block in table.blocks(names):
        for name, array in block.columns.items():
            surveys[name].add(array, missing)
    return surveys


def _zero_led(texts: pa.Array) -> str:
    """Return the first whole number that starts with a zero; empty if there is none."""
    import pyarrow.compute as pc

    begun = texts.filter(pc.starts_with(texts, "0"))
    found = begun.filter(pc.match_substring_regex(begun, r"^0\d+$"))
    return str(found[0].as_py()) if len(found) else ""


def _squares(high: int) -> int:
    return high * (high + 1) * (2 * high + 1) // 6
