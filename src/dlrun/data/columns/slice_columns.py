"""Read the values of columns to group examples by, whether the columns are features or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.component import FieldProblem
from dlrun.data.columns.dates import PARTS, parse_dates
from dlrun.data.columns.keys import ColumnKeys, name_problem
from dlrun.data.columns.numbers import parse_numbers
from dlrun.data.columns.planned import layout_of, notation_of
from dlrun.data.columns.survey import ColumnSurvey
from dlrun.data.columns.texts import MISSING_VALUES, as_texts, known_values
from dlrun.data.files.spelling import canonical_texts
from dlrun.data.files.table_files import TableFiles
from dlrun.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

Array = npt.NDArray[Any]


def slice_problems(names: Sequence[str], table: TableFiles) -> Iterator[FieldProblem]:
    """Yield the columns that a table does not have, that cannot be read, or that are named twice."""
    for index, name in enumerate(names):
        yield from name_problem((index,), name, table)
        if name in table.known_names and name in table.unreadable:
            yield FieldProblem(
                (index,), f"the column {name!r} cannot be used: {table.unreadable[name]}", "another column"
            )
        if name in names[:index]:
            yield FieldProblem((index,), f"{name!r} is named twice", "each column once")


def read_slice_columns(tables: Sequence[TableFiles], names: Sequence[str], keys: ColumnKeys) -> dict[str, Array]:
    """Read columns of all rows of several tables, one table after the other.

    Args:
        tables: The tables, in the order in which their rows are numbered.
        names: Names of the columns.
        keys: The keys of the dataset.

    Returns:
        The values of each column; see `slice_values`.

    Raises:
        DataError: A file is damaged, or lacks a column.
    """
    names = tuple(dict.fromkeys(names))
    parts: dict[str, list[pa.Array]] = {name: [] for name in names}
    for table in tables:
        table.check_columns(names)
        for block in table.blocks(names):
            for name in names:
                parts[name].append(known_values(block.columns[name], keys.missing_texts))
    return {
        name: slice_values(_joined(found), tables[0], is_category=keys.listed.get(name) in ("categorical", "text"))
        for name, found in parts.items()
    }


def slice_values(known: pa.Array, table: TableFiles | None = None, *, is_category: bool = False) -> Array:
    """Return the values of a column in the form to group examples by.

    Args:
        known: Texts or numbers, null if missing.
        table: The table of the column, whose delimiter decides between two notations of numbers; None if unknown.
        is_category: Whether its numbers are codes, and every value is a category.

    Returns:
        Float64 for numbers, with nan for missing ones; the years of dates, in the same form; or texts, empty if
        missing.

    Shape:
        `(rows,)`.
    """
    survey = ColumnSurvey("")
    survey.add(known, MISSING_VALUES)
    if not is_category and survey.known:
        if (notation := notation_of(table, survey)) is not None:
            return parse_numbers(known, notation)[0]
        if (layout := layout_of(survey)) is not None:
            return parse_dates(as_texts(known), layout)[0][:, PARTS.index("year")].astype(np.float64)
    return np.array(canonical_texts(as_texts(known)).fill_null("").to_pylist(), dtype=object)


def written_values(
    values: Sequence[str | None], missing: Sequence[str] = MISSING_VALUES, *, is_category: bool = False
) -> Array:
    """Return values as they are written in a file in the form to slice examples by; see `slice_values`.

    Args:
        values: Values of a column, None if missing.
        missing: Texts that mark missing values.
        is_category: Whether its numbers are codes, and every value is a category.
    """
    import pyarrow as pa

    return slice_values(known_values(pa.array(values, pa.string()), missing), is_category=is_category)


def take_rows(values: Mapping[str, Array], rows: Array | None, *, label: str) -> dict[str, Array]:
    """Return the values of columns for the examples of a split.

    Args:
        values: Values of each column in all rows of the files.
        rows: Numbers of the rows of the split.
        label: Name of the files for the message.

    Raises:
        DataError: The files have fewer rows than when the dataset was loaded.
    """
    chosen = np.asarray(rows)
    if any(len(of_column) <= chosen.max(initial=-1) for of_column in values.values()):
        what = f"{label} has changed since its rows were read"
        raise DataError(what, expected="the same file until the run has ended")
    return {name: of_column[chosen] for name, of_column in values.items()}


def _joined(parts: Sequence[pa.Array]) -> pa.Array:
    import pyarrow as pa

    # Files of one table may store a column as numbers and as texts.
    if len({part.type for part in parts}) > 1:
        parts = [as_texts(part) for part in parts]
    return pa.concat_arrays([part.combine_chunks() if isinstance(part, pa.ChunkedArray) else part for part in parts])
