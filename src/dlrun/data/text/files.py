"""Find the files of texts for a path, a folder, a pattern, or `-`."""

from __future__ import annotations

import glob
import shlex
from pathlib import Path

from dlrun.data.files.csv_file import CsvFile
from dlrun.data.files.dialect import is_delimited
from dlrun.data.files.encoding import STANDARD_INPUT
from dlrun.data.files.foreign import refuse_foreign
from dlrun.data.files.json_lines import JsonLinesFile
from dlrun.data.files.locate import begins_as_parquet, kind_by_name
from dlrun.data.files.parquet_file import ParquetFile
from dlrun.data.text.column_file import ColumnFile
from dlrun.data.text.folders import SUFFIX, LinesFile, TextFolder
from dlrun.data.text.rows import TextFile, TextReading
from dlrun.data.text.standard_input import read_standard_input
from dlrun.errors import DataError
from dlrun.system.paths import no_file

_ACCEPTED = "a .csv, .tsv, .jsonl, .parquet or .txt file, a folder of .txt files, or a pattern such as data/*.csv"


def files_of(source: str, reading: TextReading) -> tuple[TextFile, ...]:
    """Return the files of a source of texts.

    Args:
        source: A path, a folder, a glob, or `-` for standard input.
        reading: Columns and format of the files.

    Raises:
        DataError: No file exists, or one is of an unsupported type.
    """
    if source == STANDARD_INPUT:
        return (read_standard_input(reading),)
    path = Path(source).expanduser()
    if path.is_dir():
        return (TextFolder(str(path), reading),)
    # An existing file is taken literally, even if its name contains * or [.
    found = [str(path)]
    if not path.exists():
        found = sorted(glob.glob(str(path), recursive=True)) if glob.has_magic(source) else []  # noqa: PTH207  absolute or not
        if not found and glob.has_magic(source):
            where = "" if path.is_absolute() else f" in {Path.cwd()}"
            raise DataError(f"no file matches {source}{where}", expected=_ACCEPTED)
        if not found:
            is_text = any(map(str.isspace, source))
            hint = f"to predict a text: echo {shlex.quote(source)} | dlrun predict RUN -" if is_text else ""
            raise no_file(source, expected=_ACCEPTED, hint=hint)
    # A pattern skips the folders that it matches, but a lone match is kept, so that an error can name it.
    return tuple(_file(name, reading) for name in found if Path(name).is_file() or len(found) == 1)


def _file(name: str, reading: TextReading) -> TextFile:
    path = Path(name)
    # The order matters:
    # 1. Parquet is known by its first bytes, whatever the suffix says.
    # 2. Foreign formats are refused before anything reads them as text.
    # 3. A .txt file has one text per line, even if commas happen to separate its lines like values of a CSV.
    kind = ParquetFile if begins_as_parquet(path) else kind_by_name(path)
    if kind is not ParquetFile:
        refuse_foreign(path, expected=_ACCEPTED, reads_json=kind is JsonLinesFile)
    if kind is None and Path(name.removesuffix(".gz")).suffix.lower() == SUFFIX:
        return LinesFile(name, reading)
    if kind is None and is_delimited(name):
        kind = CsvFile
    if kind is None:
        hint = "a file with another suffix is read if commas, semicolons, tabs or | separate the values of each line"
        raise DataError(f"{name} is not a supported type of text file", expected=_ACCEPTED, hint=hint)
    return ColumnFile(name, reading, kind)
