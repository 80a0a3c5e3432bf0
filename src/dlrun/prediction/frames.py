"""Predictions for a data frame, as a data frame: pandas, polars, or any table that speaks Arrow."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.errors import DataError
from dlrun.prediction.columns import Cells, Column

if TYPE_CHECKING:
    import pyarrow as pa


def is_frame(source: Any) -> bool:
    """Whether something is a table in memory."""
    return hasattr(source, "__arrow_c_stream__") or hasattr(source, "__dataframe__")


@contextmanager
def as_file(frame: Any) -> Iterator[Path]:
    """A Parquet file of the frame's rows, for as long as the `with` block lasts.

    Raises:
        DataError: Its columns cannot be written as one.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pa.table(frame) if hasattr(frame, "__arrow_c_stream__") else _interchanged(frame)
        with tempfile.TemporaryDirectory(prefix="dlrun-frame-") as folder:
            path = Path(folder) / "rows.parquet"
            pq.write_table(table, path)
            yield path
    except pa.ArrowException as error:
        said = f"the rows of a {type(frame).__name__} cannot be read: {str(error).splitlines()[0]}"
        raise DataError(said, expected="columns of one kind each: text, numbers, dates, or true and false") from error


def like(frame: Any) -> Callable[[list[Column], list[list[Cells]]], Any]:
    """Return what makes a frame of the same library out of predictions; an Arrow table where it is none known."""

    def made(columns: list[Column], blocks: list[list[Cells]]) -> Any:
        table = _table(columns, blocks)
        library = type(frame).__module__.partition(".")[0]
        if library == "pandas":
            return table.to_pandas()
        if library == "polars":
            from importlib import import_module

            return import_module("polars").from_arrow(table)
        return table

    return made


def _interchanged(frame: Any) -> pa.Table:
    from pyarrow.interchange import from_dataframe

    return from_dataframe(frame)


def _table(columns: list[Column], blocks: list[list[Cells]]) -> pa.Table:
    import pyarrow as pa

    kinds = [pa.string() if column.is_text else pa.float32() for column in columns]
    schema = pa.schema([(column.name, kind) for column, kind in zip(columns, kinds, strict=True)])
    batches = [
        pa.record_batch([pa.array(list(cells), kind) for cells, kind in zip(block, kinds, strict=True)], schema=schema)
        for block in blocks
    ]
    return pa.Table.from_batches(batches, schema=schema)
