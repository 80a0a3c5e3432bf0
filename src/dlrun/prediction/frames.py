"""Predictions for a data frame, as a data frame: pandas, polars, or any table that speaks Arrow."""

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
    """Whether something is a table in memory."""
    return hasattr(source, "__arrow_c_stream__") or hasattr(source, "__dataframe__")


def read_frame(frame: Any) -> pa.Table:
    """Return a data frame's rows as an Arrow table; an index of pandas that has a name is a column after the others.

    Raises:
        DataError: It cannot be read, or two columns have one name.
    """
    import pyarrow as pa

    kind = type(frame).__name__
    expected = "a data frame whose columns hold numbers, text, dates, or true and false"
    if hasattr(type(frame), "dtype"):
        raise DataError(f"a {kind} is one column", expected=expected, hint=f"a frame of it: {kind}.to_frame()")
    # Of the class: the columns of a pandas frame are attributes of it too.
    named = "column_names" if hasattr(type(frame), "column_names") else "columns"
    names = list(map(str, getattr(frame, named, ())))
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise DataError(f"the {kind} has {names.count(twice[0])} columns {twice[0]!r}", expected="a name for each")
    try:
        if _library(frame) == "pandas":
            table = _of_pandas(frame)
        else:
            table = pa.table(frame) if hasattr(frame, "__arrow_c_stream__") else _interchanged(frame)
        return pa.table([_plain(column) for column in table.columns], names=table.column_names)
    except (pa.ArrowException, ValueError, TypeError, NotImplementedError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"the {kind} cannot be read: {said}", expected=expected) from error


@contextmanager
def as_file(table: pa.Table, *, called: str) -> Iterator[Path]:
    """A Parquet file of the rows, for as long as the `with` block lasts.

    Args:
        table: The rows.
        called: What messages name in place of the file.

    Raises:
        DataError: The rows cannot be written as Parquet, or one was raised inside the `with` block.
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
            said = [text.replace(str(path), called) for text in (error.what, error.expected, error.hint)]
            raise DataError(said[0], expected=said[1], hint=said[2]) from error


def like(frame: Any, table: pa.Table) -> Any:
    """Return predictions as a frame of the same library; as the Arrow table that they are where it is not known.

    Args:
        frame: What was predicted. The index of a pandas frame is kept where each of its rows has a prediction.
        table: The predictions.
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
    """Return predictions as an Arrow table; kept columns are those of the source, in their own type."""
    made = _table(columns, blocks)
    for name in keep:
        if len(made) == len(source):
            made = made.set_column(made.column_names.index(name), source.schema.field(name), source[name])
    return made


def _library(frame: Any) -> str:
    return type(frame).__module__.partition(".")[0]


def _of_pandas(frame: Any) -> pa.Table:
    """The rows of a pandas frame; a column of mixed values as the text that a CSV of it would have."""
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
    """The column, with the values of categories in place of their numbers: Parquet cannot have all kinds of these."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        return column
    kind = column.type.value_type
    if pa.types.is_string_view(kind):  # of polars; Arrow 24 cannot take its values by their numbers
        kind = pa.string()
    return pa.chunked_array([chunk.dictionary.cast(kind).take(chunk.indices) for chunk in column.chunks], kind)


def _interchanged(frame: Any) -> pa.Table:
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
