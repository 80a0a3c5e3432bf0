"""Find the files for a path or pattern, and open each in its format: delimited, Parquet, or JSON lines."""

from __future__ import annotations

import glob
from pathlib import Path

from dlrun.data.files.csv_file import CsvFile
from dlrun.data.files.data_file import DataFile, FileFormat
from dlrun.data.files.foreign import refuse_foreign
from dlrun.data.files.json_lines import JsonLinesFile
from dlrun.data.files.parquet_file import ParquetFile
from dlrun.errors import DataError
from dlrun.system.paths import no_file

_PARQUET = b"PAR1"
_PARQUET_SUFFIXES = (".parquet", ".pq", ".parq")
_KINDS: dict[str, type[DataFile]] = {
    **dict.fromkeys((".csv", ".tsv", ".tab"), CsvFile),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), JsonLinesFile),
    **dict.fromkeys(_PARQUET_SUFFIXES, ParquetFile),
}
_OTHER_NAME = "if it is text, rename it to .csv"
_EXPECTED = "a CSV or Parquet file"


def find_tables(source: str) -> tuple[Path, ...]:
    """Return one file, or all files that match a pattern, sorted by name.

    Args:
        source: A path, or a pattern with `*`, `?` or `**`.

    Raises:
        DataError: No file exists, or the path is not a file.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        raise DataError(
            f"{path} is a folder", expected=f"{_EXPECTED}, or a pattern", hint=f"{path / '*.csv'} reads all files in it"
        )
    if path.exists():
        if not path.is_file():  # opening a pipe would block until somebody writes to it
            raise DataError(f"{path} is not a regular file", expected=_EXPECTED)
        return (path,)
    if not glob.has_magic(source):
        raise no_file(path, expected=_EXPECTED)
    found = tuple(sorted(Path(match) for match in glob.glob(str(path), recursive=True) if Path(match).is_file()))  # noqa: PTH207  the pattern may be absolute
    if not found:
        raise DataError(f"no file matches {source}", expected="a pattern of CSV or Parquet files, such as data/*.csv")
    return found


def is_parquet(path: Path) -> bool:
    """Return whether the file of a table is a Parquet file, by its first bytes.

    Raises:
        DataError: The file cannot be read, is empty, is of an unsupported type, or is not Parquet despite its suffix.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_PARQUET))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}", expected=_EXPECTED) from error
    if not magic:
        raise DataError(f"{path} is empty", expected="a line of column names, and rows")
    if magic != _PARQUET:
        refuse_foreign(path, expected=_EXPECTED)
    if magic != _PARQUET and path.suffix.lower() in _PARQUET_SUFFIXES:
        expected = f"a Parquet file, which begins with {_PARQUET!r}"
        raise DataError(f"{path} is not a Parquet file: it begins with {magic!r}", expected=expected, hint=_OTHER_NAME)
    return magic == _PARQUET


def kind_by_name(path: str | Path) -> type[DataFile] | None:
    """Return the format for the suffix of a file, compressed or not; None for other suffixes."""
    return _KINDS.get(Path(str(path).removesuffix(".gz")).suffix.lower())


def open_file(path: Path, file_format: FileFormat | None = None, *, head_only: bool = False) -> DataFile:
    """Open a file in the format of its first bytes, otherwise of its suffix, otherwise as a delimited file.

    Args:
        path: The file.
        file_format: Known format of a delimited file.
        head_only: Whether to detect the encoding from the beginning only, which is enough for the column names.

    Raises:
        DataError: The file cannot be read, or is of an unsupported type.
    """
    kind = ParquetFile if begins_as_parquet(path) else kind_by_name(path) or CsvFile
    if kind is not ParquetFile:
        expected = "a CSV, Parquet or JSON lines file"
        refuse_foreign(path, expected=expected, reads_json=kind is JsonLinesFile)
    return kind.open(path, file_format or FileFormat(), head_only=head_only)


def begins_as_parquet(path: Path) -> bool:
    """Return whether a file has the first bytes of a Parquet file; False for one that cannot be read."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_PARQUET)) == _PARQUET
    except OSError:
        return False
