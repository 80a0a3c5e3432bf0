"""Recognize files of unsupported types by their bytes, and suggest a command that converts them."""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from dlrun.errors import DataError

_HEAD_BYTES = 1 << 12
_TAR = slice(257, 262)
_PANDAS = "python -c \"import pandas as pd; pd.{reader}('{path}'{options}).to_{to}('{stem}.{to}', index=False)\""


@dataclass(frozen=True)
class Foreign:
    """An unsupported type of file.

    Args:
        what: Name of the type, with an article.
        convert: How to convert the file; `{path}` and `{stem}` stand for its path with and without the suffix.
    """

    what: str
    convert: str


def _by_pandas(reader: str, *, to: str = "csv", options: str = "") -> str:
    return _PANDAS.replace("{reader}", reader).replace("{to}", to).replace("{options}", options)


_EXCEL = "save it as CSV (UTF-8) in a spreadsheet program, or: " + _by_pandas("read_excel")
_UNPACK = "unpack it: {tool} '{path}'"
_SAVEZ = "np.savez('{stem}.npz', x=x, y=y)"
_MEMBERS = {
    "xl/": Foreign("an Excel workbook", _EXCEL),
    "word/": Foreign("a Word document", "save it as plain text, with each text on its own line or in its own file"),
    "ppt/": Foreign("a PowerPoint presentation", "save its texts as plain text"),
}
_OPEN_DOCUMENT = {
    "spreadsheet": Foreign("an OpenDocument spreadsheet", _EXCEL),
    "text": Foreign("an OpenDocument text", "save it as plain text"),
}
_MAGIC = {
    b"\xd0\xcf\x11\xe0": Foreign("an old Office file, such as an Excel workbook (.xls)", _EXCEL),
    b"\x89HDF": Foreign("an HDF5 file", _by_pandas("read_hdf")),
    b"SQLite format 3": Foreign(
        "an SQLite database", "sqlite3 -header -csv '{path}' 'select * from TABLE' > '{stem}.csv'"
    ),
    b"\x93NUMPY": Foreign("a NumPy array", "save it with its labels for `type: arrays`: " + _SAVEZ),
    b"\x28\xb5\x2f\xfd": Foreign("compressed with zstd", _UNPACK.replace("{tool}", "unzstd")),
    b"BZh": Foreign("compressed with bzip2", _UNPACK.replace("{tool}", "bunzip2 -k")),
    b"\xfd7zXZ": Foreign("compressed with xz", _UNPACK.replace("{tool}", "unxz -k")),
    b"7z\xbc\xaf\x27\x1c": Foreign("a 7z archive", _UNPACK.replace("{tool}", "7z x")),
    b"Rar!": Foreign("a RAR archive", _UNPACK.replace("{tool}", "unrar x")),
    b"%PDF": Foreign("a PDF document", "pdftotext -layout '{path}' '{stem}.txt' takes its text out"),
    b"ARROW1": Foreign("an Arrow (Feather) file", _by_pandas("read_feather", to="parquet")),
    b"FEA1": Foreign("a Feather file", _by_pandas("read_feather", to="parquet")),
    b"ORC": Foreign("an ORC file", _by_pandas("read_orc", to="parquet")),
    b"Obj\x01": Foreign("an Avro file", "write it as CSV or Parquet with the program that made it"),
    b"<stata_dta>": Foreign("a Stata file", _by_pandas("read_stata")),
    b"$FL2": Foreign("an SPSS file", _by_pandas("read_spss")),
    b"MATLAB 5.0": Foreign("a MATLAB file", "save its matrices for `type: arrays`: " + _SAVEZ),
    b"RDX": Foreign("an R data file", "in R: write.csv(data, '{stem}.csv', row.names = FALSE)"),
    b"{\\rtf": Foreign("a rich text document", "save it as plain text"),
}  # fmt: skip
_PICKLE = Foreign(
    "a Python pickle",
    "if you trust it (loading a pickle runs the code in it): " + _by_pandas("read_pickle", to="parquet"),
)
_PICKLED = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_ARCHIVE = Foreign("a tar archive", _UNPACK.replace("{tool}", "tar -xf"))
_ZIP = Foreign("a zip archive", _UNPACK.replace("{tool}", "unzip"))
_BROKEN = Foreign("a damaged zip archive or Excel workbook", "save it as CSV, or unpack it")
_ARRAYS = Foreign("a file of NumPy arrays", "`type: arrays` reads .npz files")
_PAGE = Foreign("a web page, not a data file", "download the file itself: the link may require a login")
_XML = Foreign("an XML file", _by_pandas("read_xml"))
_JSON_LINES = Foreign("a JSON lines file", _by_pandas("read_json", options=", lines=True"))
_JSON_ARRAY = Foreign("a JSON array", _by_pandas("read_json"))
_JSON = Foreign("a JSON document", "write its rows as CSV, or for `type: text` one JSON object per line")


def foreign_kind(path: Path, *, reads_json: bool = False, reads_zip: bool = False) -> Foreign | None:
    """Return the type of a file if it is one of the known unsupported types, otherwise None.

    Args:
        path: The file; for one that cannot be read the result is None.
        reads_json: Whether JSON lines are supported here.
        reads_zip: Whether `.npz` files are supported here.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if head.startswith(b"PK\x03\x04"):
            found = _in_zip(path)
            return None if reads_zip and found is _ARRAYS else found
        # Compression by gzip is supported, so what counts is the type of the file inside.
        if head.startswith(b"\x1f\x8b"):
            with gzip.open(path) as packed:
                head = packed.read(_HEAD_BYTES)
    except (OSError, EOFError, zlib.error):
        return None
    if head[_TAR] == b"ustar":
        return _ARCHIVE
    # Two bytes alone are weak evidence. Newer pickles continue with a frame (0x95); for older ones the suffix must
    # agree.
    if head.startswith(_PICKLED) and (head[2:3] == b"\x95" or path.suffix.lower() in (".pkl", ".pickle", ".p")):
        return _PICKLE
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    return _in_text(head, reads_json=reads_json)


def refuse_foreign(path: Path, *, expected: str, reads_json: bool = False, reads_zip: bool = False) -> None:
    """Raise an error for a file of an unsupported type.

    Args:
        path: The file.
        expected: Description of the supported types.
        reads_json: Whether JSON lines are supported here.
        reads_zip: Whether `.npz` files are supported here.

    Raises:
        DataError: The file is of an unsupported type; the hint says how to convert it.
    """
    kind = foreign_kind(path, reads_json=reads_json, reads_zip=reads_zip)
    if kind is not None:
        raise DataError(f"{path} is {kind.what}", expected=expected, hint=how_to_convert(path, kind))


def how_to_convert(path: Path, kind: Foreign) -> str:
    """Return the command or instruction that converts a file to a supported type."""
    stem = str(path).removesuffix("".join(path.suffixes[-1:]))
    return kind.convert.replace("{path}", str(path)).replace("{stem}", stem)


def _in_zip(path: Path) -> Foreign:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            described = ""
            if "mimetype" in names:
                with archive.open("mimetype") as member:  # never read it whole: a small archive can unpack to gigabytes
                    described = member.read(80).decode("ascii", "replace")
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, zlib.error):
        return _BROKEN
    # Office files are zip archives. OpenDocument names its type in a member; the others have typical folders.
    for kind, found in _OPEN_DOCUMENT.items():
        if f"opendocument.{kind}" in described:
            return found
    if names and all(name.endswith(".npy") for name in names):
        return _ARRAYS
    return next((found for start, found in _MEMBERS.items() if any(name.startswith(start) for name in names)), _ZIP)


def _in_text(head: bytes, *, reads_json: bool) -> Foreign | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    start = text[:100].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return _PAGE
    if start.startswith(b"<?xml"):
        return _XML
    if text[:1] == b"[" and text[1:].lstrip()[:1] in (b"{", b"["):
        return _JSON_ARRAY
    if text[:1] != b"{":
        return None
    first, end, _ = text.partition(b"\n")
    try:
        is_object = isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        if first.strip() == b"{":  # one object that spans several lines
            return _JSON
        # A first line longer than the bytes that were read cannot be parsed, but begins with the key of an object.
        is_object = len(head) == _HEAD_BYTES and not end and first[1:].lstrip().startswith(b'"')
    return None if reads_json or not is_object else _JSON_LINES
