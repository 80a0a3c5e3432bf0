"""What a user calls a table in, its files out: one file, or all that a pattern matches, in the order of their names."""

from __future__ import annotations

import glob
from pathlib import Path

from dlrun.data.files.foreign import refuse_foreign
from dlrun.errors import DataError
from dlrun.system.paths import no_file

_PARQUET = b"PAR1"
_PARQUET_SUFFIXES = (".parquet", ".pq", ".parq")
_OTHER_NAME = "if it is text, call it .csv"
_EXPECTED = "a CSV or Parquet file"


def find_tables(source: str) -> tuple[Path, ...]:
    """The files that `source` means.

    Args:
        source: A path, or a pattern with `*`, `?` or `**`.

    Raises:
        DataError: There is none, or it is no file.
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
    """Whether a file is Parquet, by its first bytes.

    Raises:
        DataError: It cannot be read, is empty, is of a kind that is no table, or is no Parquet file and called one.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}", expected=_EXPECTED) from error
    if not magic:
        raise DataError(f"{path} is empty", expected="a table: a line of column names, and rows")
    if magic != _PARQUET:
        refuse_foreign(path, expected=_EXPECTED)
    if magic != _PARQUET and path.suffix.lower() in _PARQUET_SUFFIXES:
        expected = f"a Parquet file, which begins with {_PARQUET!r}"
        raise DataError(f"{path} is no Parquet file: it begins with {magic!r}", expected=expected, hint=_OTHER_NAME)
    return magic == _PARQUET
