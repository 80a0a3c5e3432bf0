"""Write predictions block by block as CSV, JSON lines or Parquet.

Text is written unchanged, so that predictions can be joined with their source, with one exception: spreadsheets
evaluate a CSV cell that starts with = + - or @ as a formula, even in quotes. Such a cell gets a leading apostrophe, and
the user is informed. JSON lines and Parquet keep the text unchanged.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol, TextIO

import numpy as np

from dlrun.errors import encodable
from dlrun.prediction.columns import Cells, OutputColumn
from dlrun.system.spreadsheet import safe_cell

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
"""Formats by file suffix."""


class Writer(Protocol):
    """Writer of rows in one format."""

    def write(self, cells: Sequence[Cells]) -> None:
        """Write some rows, given by column."""

    def close(self) -> None:
        """Write remaining data. The stream stays open."""


class CsvWriter:
    """Write CSV with a header line. Missing numbers are empty cells.

    Args:
        stream: Stream to write to.
        columns: Columns to write.
    """

    def __init__(self, stream: TextIO, columns: Sequence[OutputColumn]) -> None:
        self._writer = csv.writer(stream, lineterminator="\n")
        self._columns = columns
        self._writer.writerow([safe_cell(encodable(column.name)) for column in columns])

    def write(self, cells: Sequence[Cells]) -> None:
        """Write some rows, given by column."""
        self._writer.writerows(zip(*_texts(self._columns, cells, text=_safe, missing=""), strict=True))

    def close(self) -> None:
        """Do nothing: there is no remaining data."""


class JsonLinesWriter:
    """Write one JSON object per line. Missing numbers are null.

    Args:
        stream: Stream to write to.
        columns: Columns to write.
    """

    def __init__(self, stream: TextIO, columns: Sequence[OutputColumn]) -> None:
        self._stream, self._columns = stream, columns
        # The line is a template for the operator %, so a % in the name of a column is doubled.
        keys = [json.dumps(encodable(column.name), ensure_ascii=False).replace("%", "%%") for column in columns]
        self._line = "{" + ", ".join(f"{key}: %s" for key in keys) + "}\n"

    def write(self, cells: Sequence[Cells]) -> None:
        """Write some rows, given by column."""
        quote = json.JSONEncoder(ensure_ascii=False).encode
        texts = _texts(self._columns, cells, text=lambda column: map(quote, column), missing="null")
        self._stream.writelines(self._line % row for row in zip(*texts, strict=True))

    def close(self) -> None:
        """Do nothing: there is no remaining data."""


class ParquetWriter:
    """Write Parquet with a row group for each block: texts as strings, numbers as float32 or float64.

    Args:
        stream: Stream to write to.
        columns: Columns to write.
    """

    def __init__(self, stream: IO[bytes], columns: Sequence[OutputColumn]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._schema = pa.schema([(encodable(column.name), arrow_type(column)) for column in columns])
        self._columns = columns
        self._writer = pq.ParquetWriter(stream, self._schema)

    def write(self, cells: Sequence[Cells]) -> None:
        """Write some rows, given by column."""
        import pyarrow as pa

        arrays = [
            [encodable(cell) for cell in column] if kind.is_text else column
            for kind, column in zip(self._columns, cells, strict=True)
        ]
        columns = [pa.array(array, field.type) for array, field in zip(arrays, self._schema, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        """Write the footer, without which the file is not readable."""
        self._writer.close()


WRITERS: dict[Format, Callable[[Any, Sequence[OutputColumn]], Writer]] = {
    "csv": CsvWriter,
    "jsonl": JsonLinesWriter,
    "parquet": ParquetWriter,
}


def arrow_type(column: OutputColumn) -> pa.DataType:
    """Return the Arrow type of a column."""
    import pyarrow as pa

    if column.is_text:
        return pa.string()
    return pa.float64() if column.is_precise else pa.float32()


def _safe(column: Iterable[str]) -> Iterable[str]:
    return map(safe_cell, column)


def _texts(
    columns: Sequence[OutputColumn],
    cells: Sequence[Cells],
    *,
    text: Callable[[Iterable[str]], Iterable[str]],
    missing: str,
) -> Iterable[Iterable[str]]:
    """Yield the cells as text, with the fewest digits that identify each float32 or float64 number."""
    for column, of_column in zip(columns, cells, strict=True):
        if column.is_text:
            yield text([encodable(cell) for cell in of_column])
            continue
        numbers: Any = np.asarray(of_column, np.float64 if column.is_precise else np.float32)
        # NumPy writes the shortest digits that identify a number: at most 16 characters for float32, 32 for float64.
        written = numbers.astype("U32" if column.is_precise else "U16").astype(object)
        written[~np.isfinite(numbers)] = missing
        yield written.tolist()
