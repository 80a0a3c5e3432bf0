"""A CSV of paths and labels in, the image files and their classes or values out."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlrun.data.files.foreign import refuse_foreign
from dlrun.data.files.header import Header
from dlrun.data.files.spelling import canonical
from dlrun.data.image_files.listing import ENDINGS, ImageList
from dlrun.data.labels import Task
from dlrun.data.text.rows import check_kept
from dlrun.errors import DataError

_NAMED = Header()


def read_header(path: Path, header: Header = _NAMED) -> tuple[str, ...]:
    """The names of a CSV's columns.

    Args:
        path: The CSV.
        header: What is known of its first line.

    Raises:
        DataError: It cannot be read, or is empty.
    """
    return header.names_of(str(path), _first(path, _rows(path)))


def check_named(path: Path, header: Sequence[str]) -> None:
    """Make sure that the first line of a CSV of images names its columns.

    Raises:
        DataError: It is a row: one of its cells is the path of an image that is there.
    """
    for name in header:
        if name.lower().endswith(ENDINGS) and (path.parent / name).is_file():
            raise DataError(
                f"the first line of {path} is a row, and not the names of its columns: {name} is an image",
                expected="a first line of names above the rows, such as path,label",
                hint="`header: false`, which reads it as a row, with `names: [path, label]`",
            )


def list_table(
    path: Path,
    *,
    image_column: str,
    label_column: str | None,
    task: Task = "auto",
    header: Header = _NAMED,
    keep: Sequence[str] = (),
) -> ImageList:
    """List the images that a CSV names.

    Args:
        path: The CSV; paths in it are relative to its folder.
        image_column: Name of the column of paths.
        label_column: Name of the column of labels; None: there are none.
        task: What labels are. auto: values if all are numbers and one has a decimal point; else classes.
        header: What is known of the CSV's first line.
        keep: Columns whose values are kept beside the images.

    Returns:
        In the order of the rows. Classes are in alphabetical order, or by number if all of them are whole numbers.

    Raises:
        DataError: The file or a column is missing, or a row lacks a path or a label.
    """
    rows = _rows(path)
    first = _first(path, rows)
    names = header.names_of(str(path), first)
    columns = [_column(path, names, name) for name in (image_column, label_column) if name is not None]
    check_kept(path, keep, names)
    others = [names.index(name) for name in keep]
    rows = rows if header.is_first_line(first) else _rows(path)
    found: list[list[str]] = []
    kept: list[list[str]] = []
    lines: list[int] = []
    for line, row in rows:
        if not row:
            continue  # an empty line
        values = [row[column].strip() if column < len(row) else "" for column in columns]
        if not all(values):
            missing = (image_column, label_column)[values.index("")]
            raise DataError(f"{path}: line {line} has no {missing}", expected=f"a {missing} in every row")
        found.append(values)
        kept.append([row[column] if column < len(row) else "" for column in others])
        lines.append(line)
    if not found:
        raise DataError(f"{path} has no rows", expected="a row for each image")
    images = ImageList(
        path.parent,
        [values[0] for values in found],
        table=path,
        lines=np.array(lines, np.int64),
        kept={name: [values[n] for values in kept] for n, name in enumerate(keep)},
    )
    if label_column is None:
        return images
    labels = [values[1] for values in found]
    if _are_values(labels, task):
        return replace(images, labels=_values(path, labels))
    labels = [canonical(label) for label in labels]
    classes = _sorted(set(labels))
    index = {name: place for place, name in enumerate(classes)}
    return replace(images, labels=np.array([index[label] for label in labels], np.int32), classes=classes)


def _first(path: Path, rows: Iterator[tuple[int, list[str]]]) -> list[str]:
    """The values of the first line."""
    first = next(rows, (1, []))[1]
    if not first:
        raise DataError(f"{path} does not begin with a line of names", expected="path,label and rows below")
    return first


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    refuse_foreign(path, expected="a CSV file in UTF-8")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            for row in reader:
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
        raise DataError(f"{path} cannot be read: {why}", expected="a CSV file in UTF-8") from error


def _column(path: Path, header: Sequence[str], name: str) -> int:
    if name not in header:
        check_named(path, header)
        raise DataError(f"{path} has no column {name!r}", expected="one of " + ", ".join(header))
    return header.index(name)


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
            raise DataError(f"{path}: the label {label!r} is no number", expected="a finite number in every row")
    return np.array(labels, np.float64).astype(np.float32)


def _sorted(names: set[str]) -> tuple[str, ...]:
    whole = all(name.isdecimal() for name in names)
    return tuple(sorted(names, key=lambda name: (int(name) if whole else 0, name)))
