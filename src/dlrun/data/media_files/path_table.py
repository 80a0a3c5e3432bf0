"""Read a list of files: a table with a column of paths and a column of labels (classes or numbers)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlrun.data.files.data_file import DataFile, FileFormat, advice_on_absent, check_kept, written_value
from dlrun.data.files.locate import kind_by_name, open_file
from dlrun.data.files.spelling import canonical
from dlrun.data.labels import Task
from dlrun.data.media_files.kind import MediaKind
from dlrun.data.media_files.listing import MediaList
from dlrun.errors import DataError


def is_path_table(path: str | Path) -> bool:
    """Return whether a path has the suffix of a list of files (CSV, Parquet or JSON lines)."""
    return kind_by_name(path) is not None


def read_names(path: Path, file_format: FileFormat | None = None) -> tuple[str, ...]:
    """Return the column names of a list.

    Raises:
        DataError: The file cannot be read or is empty.
    """
    return open_file(path, file_format, head_only=True).names


def check_named(path: Path, names: Sequence[str], kind: MediaKind) -> None:
    """Raise an error if the first line of a list of files is a row and not the column names.

    Raises:
        DataError: One of the names is the path of an existing file of this kind.
    """
    for name in names:
        if name.lower().endswith(kind.endings) and (path.parent / name).is_file():
            raise DataError(
                f"the first line of {path} is a row and not the column names: {name} is {kind.file_noun}",
                expected="a first line of column names, such as path,label",
                hint="set `header: false` to read it as a row, and `names: [path, label]`",
            )


def list_table(  # noqa: PLR0913  each argument is a key of the dataset
    path: Path,
    kind: MediaKind,
    *,
    path_column: str,
    label_column: str | None,
    task: Task = "auto",
    file_format: FileFormat | None = None,
    keep: Sequence[str] = (),
) -> MediaList:
    """Read a list of files from a file.

    Args:
        path: The file. Paths in it are relative to its folder.
        kind: Kind of the listed files.
        path_column: Name of the column of paths.
        label_column: Name of the column of labels; None for no labels.
        task: Task for the labels. auto: regression if all labels are numbers and one has a decimal point, otherwise
            classification.
        file_format: Known format of a delimited file.
        keep: Names of further columns to keep with the files.

    Returns:
        The files in row order. Classes are sorted alphabetically, or numerically if all are whole numbers.

    Raises:
        DataError: The file or a column is missing, or a row lacks a path or a label.
    """
    file = open_file(path, file_format)
    columns = [path_column] if label_column is None else [path_column, label_column]
    for name in columns:
        _check_column(file, name, kind)
    check_kept(path, keep, file.names, row_like=file.row_like)
    found: list[list[str]] = []
    kept: list[list[str | None]] = []
    numbers: list[int] = []
    for number, row in file.records([*columns, *keep], is_ragged=True):
        written = [written_value(value) for value in row]
        values = [(value or "").strip() for value in written[: len(columns)]]
        if not all(values):
            missing = columns[values.index("")]
            raise DataError(f"{path}: {file.row_name(number)} has no {missing}", expected=f"a {missing} in every row")
        found.append(values)
        kept.append(written[len(columns) :])
        numbers.append(number)
    if not found:
        raise DataError(f"{path} has no rows", expected=f"a row for each {kind.noun}")
    files = MediaList(
        kind,
        path.parent,
        [values[0] for values in found],
        table=path,
        rows=np.array(numbers, np.int64),
        row_word=file.row_word,
        kept={name: [values[n] for values in kept] for n, name in enumerate(keep)},
    )
    if label_column is None:
        return files
    labels = [values[1] for values in found]
    if _are_values(labels, task):
        return replace(files, labels=_values(path, labels))
    labels = [canonical(label) for label in labels]
    classes = _sorted(set(labels))
    index = {name: place for place, name in enumerate(classes)}
    return replace(files, labels=np.array([index[label] for label in labels], np.int32), classes=classes)


def _check_column(file: DataFile, name: str, kind: MediaKind) -> None:
    if name not in file.names:
        check_named(file.path, file.names, kind)
        expected, hint = advice_on_absent(name, file.names, row_like=file.row_like)
        raise DataError(f"{file.path} has no column {name!r}", expected=expected, hint=hint)


def _are_values(labels: Sequence[str], task: Task) -> bool:
    if task != "auto":
        return task == "regression"
    return any("." in label for label in labels) and all(map(_is_number, labels))


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _values(path: Path, labels: Sequence[str]) -> npt.NDArray[np.float32]:
    for label in labels:
        if not _is_number(label):
            raise DataError(f"{path}: the label {label!r} is not a number", expected="a finite number in every row")
    return np.array(labels, np.float64).astype(np.float32)


def _sorted(names: set[str]) -> tuple[str, ...]:
    whole = all(name.isdecimal() for name in names)
    return tuple(sorted(names, key=lambda name: (int(name) if whole else 0, name)))
