"""Find the files that a user names, and open each as what it is: delimited, Parquet, or JSON lines."""

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
_OTHER_NAME = "if it is text, call it .csv"
_EXPECTED = "a CSV or Parquet file"


def find_tables(source: str) -> tuple[Path, ...]:
    """Find one file, or all that a pattern matches, in the order of their names.

    Args:
        source: A path, or a pattern with `*`, `?` or `**`.

    Raises:
        DataError: There is none, or it is not a file.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        raise DataError(
            f"{path} is a folder", expected=f"{_EXPECTED}, or a pattern", hint=f"{path / '*.csv'} reads all in it"
        )
    if path.exists():
        if not path.is_file():  # a pipe would keep its reader waiting
            raise DataError(f"{path} is not a regular file", expected=_EXPECTED)
        return (path,)
    if not glob.has_magic(source):
        raise no_file(path, expected=_EXPECTED)
    found = tuple(sorted(Path(match) for match in glob.glob(str(path), recursive=True) if Path(match).is_file()))  # noqa: PTH207  the pattern may be absolute
    if not found:
        raise DataError(f"no file matches {source}", expected="a pattern of CSV or Parquet files, such as data/*.csv")
    return found


def is_parquet(path: Path) -> bool:
    """Whether a file of a table is Parquet, by its first bytes.

    Raises:
        DataError: It cannot be read, is empty, is of a kind that is not a table, or is called Parquet and is not.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_PARQUET))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}", expected=_EXPECTED) from error
    if not magic:
        raise DataError(f"{path} is empty", expected="a table: a line of column names, and rows")
    if magic != _PARQUET:
        refuse_foreign(path, expected=_EXPECTED)
    if magic != _PARQUET and path.suffix.lower() in _PARQUET_SUFFIXES:
        expected = f"a Parquet file, which begins with {_PARQUET!r}"
        raise DataError(f"{path} is not a Parquet file: it begins with {magic!r}", expected=expected, hint=_OTHER_NAME)
    return magic == _PARQUET


def kind_by_name(path: str | Path) -> type[DataFile] | None:
    """What a file holds by the ending of its name, compressed or not; None for other endings."""
    return _KINDS.get(Path(str(path).removesuffix(".gz")).suffix.lower())


def open_file(path: Path, file_format: FileFormat | None = None, *, head_only: bool = False) -> DataFile:
    """Open a file as what its first bytes are, else as what its name says, else as a delimited file.

    Args:
        path: The file.
        file_format: What is known of a delimited file.
        head_only: Whether its encoding is detected from its beginning only, which is enough to know the names.

    Raises:
        DataError: It cannot be read, or is of a kind that has no rows.
    """
    kind = ParquetFile if begins_as_parquet(path) else kind_by_name(path) or CsvFile
    if kind is not ParquetFile:
        expected = "a CSV, Parquet or JSON lines file"
        refuse_foreign(path, expected=expected, reads_json=kind is JsonLinesFile)
    return kind.open(path, file_format or FileFormat(), head_only=head_only)


def begins_as_parquet(path: Path) -> bool:
    """Whether a file has the first bytes of a Parquet file; False for one that cannot be read."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_PARQUET)) == _PARQUET
    except OSError:
        return False
