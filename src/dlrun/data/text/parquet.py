"""Parquet files: a column of texts and a column of labels, read by batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlrun.data.files.detected import Told
from dlrun.data.text.json_lines import clean, written_label, written_value
from dlrun.data.text.rows import Row, TextFile, absent_label
from dlrun.errors import DataError

_BATCH = 4096


@dataclass(frozen=True)
class ParquetFile(TextFile):
    """A Parquet file; its rows are numbered from 1."""

    def names(self) -> tuple[str, ...]:
        """The names of its columns."""
        with self._opened() as file:
            return tuple(file.schema_arrow.names)

    def rows(self, *, labelled: bool) -> Iterator[Row]:
        """Its rows; a text of null is empty."""
        self.check_columns(self.names(), labelled=labelled)
        keep = self.reading.keep
        columns = [self.reading.text, *([self.reading.label] if labelled else []), *keep]
        with self._opened() as file:
            self._check_texts(file)
            number = 1
            for batch in file.iter_batches(batch_size=_BATCH, columns=list(dict.fromkeys(columns))):
                texts = batch.column(self.reading.text).to_pylist()
                labels = batch.column(self.reading.label).to_pylist() if labelled else [None] * len(texts)
                kept = [map(written_value, batch.column(name).to_pylist()) for name in keep]
                for text, label, *values in zip(texts, labels, *kept, strict=True):
                    said = self._label(label, number) if labelled else None
                    yield Row(number, clean(text or ""), said, tuple(values))
                    number += 1

    def told(self) -> Iterator[tuple[str, Told]]:
        """Nothing: a Parquet file says all that there is."""
        return iter(())

    def row_name(self, number: int) -> str:
        """What a row is called."""
        return f"row {number}"

    def place(self, number: int) -> str:
        """Where a row stands."""
        return f"{self.path}: row {number}"

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = Path(self.path)
        if path.exists() and not path.is_file():
            raise DataError(f"{path} is not a regular file", expected="a Parquet file")
        try:
            with pq.ParquetFile(path) as file:
                yield file
        except FileNotFoundError as error:
            raise DataError(f"there is no file {path}", expected="a Parquet file") from error
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            said = str(error).splitlines()[0]
            raise DataError(f"{path} cannot be read: {said}", expected="an undamaged Parquet file") from error

    def _check_texts(self, file: Any) -> None:
        import pyarrow as pa

        found = file.schema_arrow.field(self.reading.text).type
        found = found.value_type if pa.types.is_dictionary(found) else found
        if not (pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found)):
            raise DataError(f"{self.path}: the column {self.reading.text!r} holds {found}", expected="a column of text")

    def _label(self, value: Any, number: int) -> str:
        label = written_label(value)
        if label is None:
            said = f"{self.place(number)}: the label is of type {type(value).__name__}"
            raise DataError(said, expected="one name or one number")
        if not label:
            raise absent_label(self.place(number), self.reading)
        return label
