"""Read data frames of pandas, polars or any Arrow-compatible library, and return predictions as data frames."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.errors import DataError
from dlrun.prediction.columns import Cells, OutputColumn
from dlrun.prediction.formats import arrow_type

if TYPE_CHECKING:
    import pyarrow as pa


def is_frame(source: Any) -> bool:
    """Return whether an object is a data frame or an Arrow table."""
    return hasattr(source, "__arrow_c_stream__") or hasattr(source, "__dataframe__")


def read_frame(frame: Any) -> pa.Table:
    """Return a data frame as an Arrow table. A named pandas index becomes the last column.

    Raises:
        DataError: The data frame cannot be read, or two columns have the same name.
    """
    import pyarrow as pa

    kind = type(frame).__name__
    expected = "a data frame with columns of numbers, texts, dates or booleans"
    if hasattr(type(frame), "dtype"):
        raise DataError(
            f"a {kind} is a single column", expected=expected, hint=f"{kind}.to_frame() makes a data frame of it"
        )
    # Ask the class, since a column of a pandas frame may be named column_names.
    named = "column_names" if hasattr(type(frame), "column_names") else "columns"
    names = list(map(str, getattr(frame, named, ())))
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise DataError(f"the {kind} has {names.count(twice[0])} columns {twice[0]!r}", expected="unique column names")
    try:
        if _library(frame) == "pandas":
            table = _of_pandas(frame)
        else:
            table = pa.table(frame) if hasattr(frame, "__arrow_c_stream__") else _interchange(frame)
        return pa.table([_plain(column) for column in table.columns], names=table.column_names)
    except (pa.ArrowException, ValueError, TypeError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"the {kind} cannot be read: {reason}", expected=expected) from error


@contextmanager
def as_file(table: pa.Table, *, called: str) -> Iterator[Path]:
    """Write rows to a temporary Parquet file for the duration of a `with` block.

    Args:
        table: The rows.
        called: Name for messages instead of the file name.

    Raises:
        DataError: The rows cannot be written as Parquet, or the `with` block raised it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.TemporaryDirectory(prefix="dlrun-frame-") as folder:
        path = Path(folder) / "rows.parquet"
        try:
            pq.write_table(table, path)
        except pa.ArrowException as error:
            raise DataError(f"the rows of {called} cannot be read: {str(error).splitlines()[0]}") from error
        try:
            yield path
        except DataError as error:
            # The message names the temporary file, which the user does not know.
            parts = [text.replace(str(path), called) for text in (error.what, error.expected, error.hint)]
            raise DataError(parts[0], expected=parts[1], hint=parts[2]) from error


def like(frame: Any, table: pa.Table) -> Any:
    """Return predictions as a frame of the same library, or as an Arrow table for other libraries.

    Args:
        frame: Data frame of the input. The index of a pandas frame is kept if each of its rows has a prediction.
        table: Predictions.
    """
    library = _library(frame)
    if library == "pandas":
        made = table.to_pandas()
        if len(made) == len(frame):
            made.index = frame.index
        return made
    if library == "polars":
        from importlib import import_module

        return import_module("polars").from_arrow(table)
    return table


def predictions_table(
    columns: list[OutputColumn], blocks: list[list[Cells]], *, source: pa.Table, keep: Sequence[str]
) -> pa.Table:
    """Return predictions as an Arrow table, in which kept columns have the type of the source."""
    made = _table(columns, blocks)
    for name in keep:
        # Kept cells were written as text. With a prediction for every row, take the column of the source itself.
        if len(made) == len(source):
            made = made.set_column(made.column_names.index(name), source.schema.field(name), source[name])
    return made


def _library(frame: Any) -> str:
    return type(frame).__module__.partition(".")[0]


def _of_pandas(frame: Any) -> pa.Table:
    """Return a pandas frame as an Arrow table, with columns of mixed types as text, as in a CSV file."""
    import pyarrow as pa

    plain = frame.copy(deep=False)
    for name in frame.columns:
        try:
            pa.array(frame[name], from_pandas=True)
        except pa.ArrowException:
            plain[name] = [None if value is None or value != value else str(value) for value in frame[name]]  # noqa: PLR0124  NaN
    is_named = any(name is not None for name in frame.index.names)
    return pa.Table.from_pandas(plain, preserve_index=is_named)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column with dictionary codes replaced by their values, since Parquet does not support all of them."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        return column
    kind = column.type.value_type
    if pa.types.is_string_view(kind):  # from polars; Arrow 24 does not implement take for string_view
        kind = pa.string()
    return pa.chunked_array([chunk.dictionary.cast(kind).take(chunk.indices) for chunk in column.chunks], kind)


def _interchange(frame: Any) -> pa.Table:
    from pyarrow.interchange import from_dataframe

    return from_dataframe(frame)


def _table(columns: list[OutputColumn], blocks: list[list[Cells]]) -> pa.Table:
    import pyarrow as pa

    kinds = [arrow_type(column) for column in columns]
    schema = pa.schema([(column.name, kind) for column, kind in zip(columns, kinds, strict=True)])
    batches = [
        pa.record_batch([pa.array(list(cells), kind) for cells, kind in zip(block, kinds, strict=True)], schema=schema)
        for block in blocks
    ]
    return pa.Table.from_batches(batches, schema=schema)
