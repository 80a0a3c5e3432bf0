"""What a user calls a table in, its files out: one file, or all that a pattern matches, in the order of their names."""

from __future__ import annotations

import glob
from pathlib import Path

from dlrun.errors import DataError

_PARQUET = b"PAR1"
_PARQUET_SUFFIXES = (".parquet", ".pq", ".parq")
_FOREIGN = {
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "save it as CSV, or unpack it"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save it as CSV"),
    b"\x89HDF": ("an HDF5 file", "save it as CSV or Parquet"),
    b"SQLi": ("an SQLite database", "export the table as CSV"),
    b"\x93NUM": ("a NumPy array", "use `type: arrays` with an .npz file"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "unpack it, or compress it with gzip"),
    b"BZh9": ("compressed with bzip2", "unpack it, or compress it with gzip"),
    b"\xfd7zX": ("compressed with xz", "unpack it, or compress it with gzip"),
}
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
        where = "" if path.is_absolute() else f" in {Path.cwd()}"
        raise DataError(f"there is no file {path}{where}", expected=_EXPECTED)
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
    if magic in _FOREIGN:
        what, hint = _FOREIGN[magic]
        raise DataError(f"{path} is {what}", expected=_EXPECTED, hint=hint)
    if magic != _PARQUET and path.suffix.lower() in _PARQUET_SUFFIXES:
        expected = f"a Parquet file, which begins with {_PARQUET!r}"
        raise DataError(f"{path} is no Parquet file: it begins with {magic!r}", expected=expected, hint=_OTHER_NAME)
    return magic == _PARQUET
