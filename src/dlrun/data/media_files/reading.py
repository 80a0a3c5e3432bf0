"""Read files that are examples for predictions and evaluations, with labels if needed."""

from __future__ import annotations

import atexit
import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.example_columns.columns import WeightColumn
from dlrun.data.files.data_file import FileFormat
from dlrun.data.files.encoding import named_standard_input
from dlrun.data.files.foreign import refuse_foreign
from dlrun.data.files.spelling import canonical
from dlrun.data.media_files.kind import MediaKind, MediaReader
from dlrun.data.media_files.listing import MediaList, list_all, list_classes, shown
from dlrun.data.media_files.path_table import is_path_table, list_table, read_names
from dlrun.data.media_files.store import refused, skipped_note
from dlrun.data.raw_input import Examples
from dlrun.errors import DataError
from dlrun.names import list_names
from dlrun.signature import Target
from dlrun.system.paths import near_path

Labels = npt.NDArray[Any]
_SKIP = "; predict and eval leave them out with --set dataset.corrupt=skip"


@dataclass(frozen=True)
class Masks:
    """How to read the masks of images.

    Args:
        column: Name of the column of a list with the paths of masks.
        reader: Decoder of the masks.
        pair: Function that returns the images with their masks.
    """

    column: str
    reader: MediaReader
    pair: Callable[[MediaList], MediaList]


@dataclass(frozen=True)
class Columns:
    """Columns and format of a file that lists files.

    Args:
        path: Name of the column of paths.
        label: Name of the column of labels.
        file_format: Known format of a delimited file.
        keep: Names of the columns to copy to the predictions.
        weight: Name of the column of weights, which is read with the labels; None if there is none.
        masks: How to read the masks of files, which then are the targets; None if there are none.
        name_predictions: Function that returns the path of the file for the prediction of each file; None if there
            will be no such files.
        without_targets: Function that leaves out files of a folder that are not examples, but the targets of others,
            such as masks; None if there are none. It is for predictions; `masks` does the same for evaluations.
    """

    path: str = "path"
    label: str = "label"
    file_format: FileFormat = field(default_factory=FileFormat)
    keep: tuple[str, ...] = ()
    weight: str | None = None
    masks: Masks | None = None
    name_predictions: Callable[[MediaList], Sequence[str]] | None = None
    without_targets: Callable[[MediaList], MediaList] | None = None


_WITHOUT_LABELS = ("input", "mask")
"""Kinds of targets for which files have no labels: an autoencoder has none, and masks are files of their own."""


def read_media(
    source: str | Sequence[str],
    reader: MediaReader,
    *,
    at_once: int,
    target: Target | None = None,
    columns: Columns | None = None,
    skip: bool | None = None,
) -> Iterator[Examples]:
    """Read a file, a folder of files at any depth, a glob, a list of paths, or one file from standard input (`-`).

    Args:
        source: One or several paths or globs. With `target`: class folders, or a CSV with a column of labels.
        reader: Decoder of the files.
        at_once: Largest number of examples per batch.
        target: Target whose labels to read; None for no labels.
        columns: Columns of a CSV.
        skip: Whether to leave out files that cannot be read, with a note in the examples. If not, they are an error.
            None: an error without a hint, for commands that cannot leave them out.

    Returns:
        Examples with the path of each file as its origin.

    Raises:
        DataError: There are no files, labels are missing, no image can be read, or (without `skip`) one cannot.
    """
    columns = columns or Columns()
    if isinstance(source, str):
        files = _listed(source, reader.kind, target, columns)
    else:
        files = _together([_listed(each, reader.kind, target, columns) for each in source])
        source = ", ".join(source)
    if target is not None:
        files = _with_targets(files, target, columns, source=source)
        if columns.weight is not None and files.weights is None:
            absent = WeightColumn(columns.weight).absent(source, noun=files.kind.noun)
            yield Examples([], _none(reader), left_out=absent)
    predictions = columns.name_predictions(files) if columns.name_predictions is not None else ()
    kept_columns = {name: values for name, values in files.kept.items() if name in columns.keep}
    files = replace(files, kept=kept_columns, predictions=predictions)
    way_out = _SKIP if skip is False else ""
    scanned = reader.check(files.kind.scan(files.paths()))
    if scanned.unreadable:
        if not skip or len(scanned.unreadable) == len(files):
            raise refused(scanned.unreadable, files, way_out=way_out)
        yield Examples([], _none(reader), left_out=skipped_note(scanned.unreadable, files))
        stays = np.setdiff1d(np.arange(len(files)), list(scanned.unreadable))
        files, scanned = files.at(stays), scanned.at(stays)
    paths, read = files.paths(), 0
    for decoded in reader.decode(paths, scanned):
        read += len(decoded.values)
        if decoded.failed and (not skip or (decoded.last == len(paths) and not read)):
            raise refused(decoded.failed, files, way_out=way_out)
        left_out = skipped_note(decoded.failed, files) if decoded.failed else ""
        kept = np.setdiff1d(np.arange(decoded.first, decoded.last), list(decoded.failed))
        for start in range(0, max(1, len(kept)), at_once):
            these = files.at(kept[start : start + at_once])
            labels = these.labels if target is not None else None
            stored = decoded.values[start : start + at_once]
            if columns.masks is not None and these.masks is not None:
                labels = _read_masks(these.masks, columns.masks.reader)
            names, weights = [*map(shown, these.names)], these.weights if target is not None else None
            yield Examples(
                names,
                stored,
                labels,
                these.paths(),
                left_out,
                kept=these.kept,
                weight=weights,
                files=these.predictions,
            )
            left_out = ""


def _with_targets(files: MediaList, target: Target, columns: Columns, *, source: str) -> MediaList:
    """Return files with their labels in the form of the training data, or with their masks."""
    if target.kind == "mask":
        return files if columns.masks is None else columns.masks.pair(files)
    return files if target.kind == "input" else replace(files, labels=_targets(files, target, source=source))


def _read_masks(files: MediaList, reader: MediaReader) -> Labels:
    """Return the decoded masks of some images.

    Raises:
        DataError: A mask cannot be read.
    """
    scanned = files.kind.scan(files.paths())
    if scanned.unreadable:
        raise refused(scanned.unreadable, files, way_out="")
    decoded = list(reader.decode(files.paths(), scanned))
    if failed := {place: why for each in decoded for place, why in each.failed.items()}:
        raise refused(failed, files, way_out="")
    return np.concatenate([_none(reader), *(each.values for each in decoded)])


def _none(reader: MediaReader) -> npt.NDArray[Any]:
    return np.zeros((0, *reader.shape), reader.dtype)


def class_indices(files: MediaList, classes: tuple[str, ...]) -> npt.NDArray[np.int32]:
    """Return labels as indices into `classes`.

    Raises:
        DataError: A label is not in `classes`.
    """
    # Runs of earlier versions may have stored other spellings of a class. An exact match takes precedence.
    place = {canonical(name): index for index, name in enumerate(classes)}
    place |= {name: index for index, name in enumerate(classes)}
    places = [place.get(name, place.get(canonical(name), -1)) for name in files.classes]
    unknown = [name for name, found in zip(files.classes, places, strict=True) if found < 0]
    if unknown or files.labels is None:
        problem = f"{files.origin} has no classes"
        if unknown:
            problem = f"{_place_of(files, unknown[0])} has the class {unknown[0]!r}, which is not in the training data"
        raise DataError(problem, expected="one of " + ", ".join(classes))
    found: npt.NDArray[np.int32] = np.array(places, np.int32)[files.labels]
    return found


def _place_of(files: MediaList, name: str) -> str:
    """Return where a class occurs: the folder, or its first line in the list."""
    if files.table is None or files.rows is None or files.labels is None:
        return str(files.folder)
    first = int(np.flatnonzero(files.labels == files.classes.index(name))[0])
    return f"{files.table}: {files.row_word} {files.rows[first]}"


def _targets(files: MediaList, target: Target, *, source: str) -> Labels:
    """Return the labels of files in the form of the training data."""
    if files.labels is None:
        expected = "one folder for each class, or a CSV with a column of labels"
        raise DataError(f"{source} has no labels", expected=expected)
    if target.kind not in ("classes", "values") or (target.kind == "values" and target.size > 1):
        expected = f"{target.size} values for each {files.kind.noun}, as the model predicts them"
        raise DataError(f"{source} has one label for each {files.kind.noun}", expected=expected)
    if target.kind == "values" and files.labels.dtype.kind != "f":
        # Without this check, class indices would silently be used as true values.
        expected = "a CSV with a column of numbers"
        raise DataError(f"{source} has classes, but the model predicts numbers", expected=expected)
    if target.kind == "values":
        return files.labels
    return class_indices(files, target.class_names or tuple(map(str, range(target.size))))


def _listed(source: str, kind: MediaKind, target: Target | None, columns: Columns) -> MediaList:
    path = Path(source).expanduser()
    if is_path_table(path) and not path.is_dir():
        return _listed_table(path, kind, target, columns)
    if source == "-":
        return _standard_input(kind, columns, target)
    if columns.keep:
        problem = f"{source} is not a CSV file, so it has no column {columns.keep[0]!r} to keep"
        raise DataError(problem, expected="a CSV, Parquet or JSON lines file of paths")
    files = (
        list_classes(path, kind)
        if target is not None and target.kind not in _WITHOUT_LABELS and path.is_dir()
        else _list_files(source, kind)
    )
    if target is None and columns.without_targets is not None and path.is_dir():
        files = columns.without_targets(files)
    if not files.names:
        raise DataError(f"{source} has no {kind.plural}", expected=kind.formats)
    return files


def _listed_table(path: Path, kind: MediaKind, target: Target | None, columns: Columns) -> MediaList:
    is_labelled = target is not None and target.kind not in _WITHOUT_LABELS
    masks = columns.masks if target is not None else None
    mask = masks.column if masks is not None else None
    if mask is not None and mask not in (names := read_names(path, columns.file_format)):
        what = f"{path} has no column {mask!r} with the paths of the masks"
        raise DataError(what, expected=f"one of {list_names(names)}", hint="--set dataset.mask_column=COLUMN")
    weight = columns.weight if target is not None else None
    if weight is not None and weight not in read_names(path, columns.file_format):
        weight = None
    files = list_table(
        path,
        kind,
        path_column=columns.path,
        label_column=columns.label if is_labelled else None,
        task="regression" if target is not None and target.kind == "values" else "classification",
        file_format=columns.file_format,
        keep=(*columns.keep, *(name for name in (weight, mask) if name is not None)),
    )
    if weight is None:
        return files
    weights = WeightColumn(weight).read_written(files.kept[weight], files.place)
    return replace(files, weights=weights)


def _together(lists: Sequence[MediaList]) -> MediaList:
    """Return the files of several lists as one, without labels, with names that contain the folders."""
    names = [os.path.join(files.folder, name) for files in lists for name in files.names]  # noqa: PTH118
    kept = {name: [value for files in lists for value in files.kept[name]] for name in lists[0].kept}
    return MediaList(lists[0].kind, Path(), names, kept=kept)


def _list_files(source: str, kind: MediaKind) -> MediaList:
    path = Path(source).expanduser()
    expected = f"{kind.file_noun}, a folder of them, a glob, or a list of paths"
    if path.is_dir():
        return list_all(path, kind)
    if path.exists():
        refuse_foreign(path, expected=expected)
        return MediaList(kind, path.parent, [path.name])
    names = sorted(name for name in glob.glob(str(path), recursive=True) if not Path(name).is_dir())  # noqa: PTH207
    if not names:
        near = near_path(source)
        hint = f"did you mean {near}?" if near else ""
        raise DataError(f"{source} does not exist", expected=expected, hint=hint)
    return MediaList(kind, Path(), names)


def _standard_input(kind: MediaKind, columns: Columns, target: Target | None) -> MediaList:
    """Save standard input to a temporary file, and return it as one file, or the files that it lists as a CSV.

    Paths in the CSV are relative to the current folder. The file is deleted when the program ends.
    """
    folder = Path(tempfile.mkdtemp(prefix="dlrun-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    content = sys.stdin.buffer.read()
    path = folder / "standard input"
    path.write_bytes(content)
    if _lists_files(path, columns):
        path = path.rename(path.with_suffix(".csv"))
        with named_standard_input(str(path)):
            return replace(_listed(str(path), kind, target, columns), folder=Path(), table=Path("standard input"))
    return MediaList(kind, folder, [path.name], is_passing=True)


def _lists_files(path: Path, columns: Columns) -> bool:
    """Return whether a file is a list with the column of paths of the model, and not an example."""
    try:
        names = read_names(path, columns.file_format)
    except DataError:
        return False
    return columns.path in names
