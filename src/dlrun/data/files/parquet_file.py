"""Read Parquet files: row by row with typed values, or columns as numbers and the text that a CSV file would have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from dlrun.data.files.column_names import distinct_names, repeated_names
from dlrun.data.files.data_file import DataFile, FileFormat
from dlrun.errors import DataError
from dlrun.system.paths import no_file

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_AT_ONCE = 1 << 16
_RECORDS_AT_ONCE = 1 << 12
_LARGEST_INTEGER = (1 << 63) - 1


@dataclass(frozen=True)
class ParquetFile(DataFile):
    """A Parquet file whose schema has been read.

    Args:
        schema: Arrow schema: names and types of the columns.
    """

    row_word: ClassVar[str] = "row"

    schema: Any = None

    @classmethod
    def open(cls, path: Path, file_format: FileFormat, *, head_only: bool = False) -> Self:
        """Open a file and read its schema. The known format does not apply to Parquet files.

        Raises:
            DataError: The file is missing or damaged.
        """
        import pyarrow as pa
        from pyarrow import parquet

        del file_format, head_only
        if not path.exists():
            raise no_file(path, expected="a Parquet file")
        if not path.is_file():  # opening a pipe would block until somebody writes to it
            raise DataError(f"{path} is not a regular file", expected="a Parquet file")
        try:
            schema = parquet.read_schema(path)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _damaged(path, error) from error
        notes: list[str] = []
        return cls(path, distinct_names(schema.names, notes), tuple(notes), schema=schema)

    @property
    def repeated(self) -> tuple[str, ...]:
        """Return the names that more than one column has."""
        return repeated_names(self.schema.names)

    def unreadable(self) -> dict[str, str]:
        """Return the columns whose values cannot be used, with the reason for each."""
        return {
            name: f"its values have the type {field.type}"
            for name, field in zip(self.names, self.schema, strict=True)
            if not _is_usable(field.type)
        }

    def records(self, columns: Sequence[str], *, is_ragged: bool = False) -> Iterator[tuple[int, Sequence[Any]]]:
        """Read every row, counted from 1, with typed values.

        Raises:
            DataError: The file is damaged.
        """
        import pyarrow as pa

        del is_ragged  # every row of a Parquet file has a value for each column
        number = 1
        for arrays in self._arrays(columns, _RECORDS_AT_ONCE):
            try:
                typed = [array.to_pylist() for array in arrays]
            except (pa.ArrowException, UnicodeDecodeError) as error:
                raise _damaged(self.path, error) from error
            for values in zip(*typed, strict=True):
                yield number, values
                number += 1

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read columns block by block.

        Raises:
            DataError: The file is damaged.
        """
        import pyarrow as pa

        for arrays in self._arrays(names, _ROWS_AT_ONCE):
            plain = [self._read(name, array) for name, array in zip(names, arrays, strict=True)]
            yield pa.RecordBatch.from_arrays(plain, list(names))

    def _arrays(self, names: Sequence[str], rows_at_once: int) -> Iterator[list[pa.Array]]:
        """Read the columns `names` block by block; no block is empty."""
        import pyarrow as pa
        from pyarrow import parquet

        indices = [self.names.index(name) for name in names]
        chosen = [self.schema.names[index] for index in indices]
        # pyarrow selects columns by name only. If names repeat, read all columns and select by index.
        wanted = chosen if len(set(self.schema.names)) == len(self.schema.names) else None
        try:
            with parquet.ParquetFile(path := self.path) as file:
                for batch in file.iter_batches(batch_size=rows_at_once, columns=wanted):
                    found = (
                        [batch.column(index) for index in indices]
                        if wanted is None
                        else [batch.column(batch.schema.get_field_index(name)) for name in chosen]
                    )
                    if batch.num_rows:
                        yield found
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _damaged(path, error) from error

    def _read(self, name: str, array: pa.Array) -> pa.Array:
        import pyarrow as pa

        try:
            return _plain(array)
        except pa.ArrowException as error:  # for example an unknown time zone, or a date before the year 1
            problem = f"{self.path}: column {name!r} cannot be read as {array.type}: {' '.join(str(error).split())}"
            raise DataError(problem, expected="values that can be written as text") from error

    def line_of(self, row: int) -> int:  # noqa: ARG002  the same signature as for CSV files
        """Return 0: a Parquet file has no lines."""
        return 0


def _damaged(path: Path, error: Exception) -> DataError:
    problem = " ".join(str(error).split())
    return DataError(f"{path} cannot be read: {problem}", expected="an undamaged Parquet file")


def _is_usable(kind: pa.DataType) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        return _is_usable(kind.value_type)
    readable = (
        types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_string, types.is_large_string,
        types.is_string_view, types.is_date, types.is_timestamp, types.is_null,
    )  # fmt: skip
    return any(check(kind) for check in readable)


def _plain(array: pa.Array) -> pa.Array:
    """Return integers as int64, other numbers as float64, and everything else as text.

    Integers that do not fit into int64 become text, which keeps all their digits. As float64 they would lose some, and
    equal values of other blocks would differ from them.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    kind = array.type
    if types.is_dictionary(kind):
        return _plain(array.dictionary_decode())
    # The maximum of a block without values is None.
    if types.is_uint64(kind) and (pc.max(array).as_py() or 0) > _LARGEST_INTEGER:
        return array.cast(pa.string())
    if types.is_integer(kind):
        return array.cast(pa.int64())
    if types.is_floating(kind) or types.is_decimal(kind):
        return array.cast(pa.float64())
    if types.is_date(kind):
        return pc.strftime(array.cast(pa.timestamp("s")), format="%Y-%m-%d")
    if types.is_timestamp(kind):
        return _written_times(array.cast(pa.timestamp("s", kind.tz), safe=False))
    return array.cast(pa.string())


def _written_times(times: pa.Array) -> pa.Array:
    """Return times as text; times with a time zone in local time with the offset, as in CSV files."""
    import pyarrow.compute as pc

    if times.type.tz is None:
        return pc.strftime(times, format="%Y-%m-%d %H:%M:%S")
    texts = pc.strftime(times, format="%Y-%m-%d %H:%M:%S%z")
    return pc.replace_substring_regex(texts, r"([+-]\d\d)(\d\d)$", r"\1:\2")
