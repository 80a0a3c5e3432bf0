"""List files in class folders, or in a folder without classes, by name only: no file is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlrun.data.files.foreign import refuse_foreign
from dlrun.data.media_files.kind import MediaKind
from dlrun.errors import DataError

_SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "validation": "validation", "valid": "validation", "val": "validation",
}  # fmt: skip
_LARGEST_DEPTH = 64


@dataclass(frozen=True)
class MediaList:
    """Files of one kind in a fixed order.

    Args:
        kind: Kind of the files.
        folder: Folder that the names are relative to.
        names: Names of the files.
        labels: Class indices or values, `(files,)`; None if there are no labels.
        classes: Class names in the order of their indices.
        left_out: Names of other files in the folder, which are of another kind.
        table: File that lists the files; None if they were found in a folder.
        rows: Line or row of `table` for each file, `(files,)`.
        row_word: Unit of `rows`: `line` or `row`.
        is_passing: Whether the folder is temporary, so that messages do not show it.
        kept: Values of further columns of `table`, by column name.
        weights: What each file counts in scores, `(files,)` float32; None if all count once.
        masks: The mask of each file, in the same order; None if there are none.
        predictions: Path of the file for the prediction of each file; empty if there will be no such files.
    """

    kind: MediaKind
    folder: Path
    names: Sequence[str]
    labels: npt.NDArray[np.generic] | None = None
    classes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    table: Path | None = None
    rows: npt.NDArray[np.int64] | None = None
    row_word: str = "line"
    is_passing: bool = False
    kept: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    weights: npt.NDArray[np.float32] | None = None
    masks: MediaList | None = None
    predictions: Sequence[str] = ()

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.names)

    def at(self, places: npt.NDArray[np.int64]) -> MediaList:
        """Return the files at `places`, in that order."""
        labels = None if self.labels is None else self.labels[places]
        rows = None if self.rows is None else self.rows[places]
        kept = {name: [values[place] for place in places] for name, values in self.kept.items()}
        weights = None if self.weights is None else self.weights[places]
        masks = None if self.masks is None else self.masks.at(places)
        names = [self.names[place] for place in places]
        found = replace(self, names=names, labels=labels, rows=rows, kept=kept, weights=weights, masks=masks)
        predictions = [self.predictions[place] for place in places] if self.predictions else ()
        return replace(found, predictions=predictions)

    @property
    def origin(self) -> Path:
        """Return the path that the user specified: the list or the folder."""
        return self.table or self.folder

    def place(self, index: int) -> str:
        """Return the place of a file for messages: its path, or its line in the list."""
        name = shown(self.names[index])
        if self.table is not None and self.rows is not None:
            return f"{self.table}: {self.row_word} {self.rows[index]}: {name}"
        return name if self.is_passing else str(self.folder / name)

    def paths(self) -> list[bytes]:
        """Return the paths of the files."""
        folder = os.fsencode(self.folder)
        return [os.path.join(folder, os.fsencode(name)) for name in self.names]  # noqa: PTH118  200,000 Paths are slow


@dataclass
class _Found:
    """Files found in a folder, by names relative to it."""

    kind: MediaKind
    files: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def list_splits(folder: Path, kind: MediaKind) -> dict[str, MediaList]:
    """List a folder with class folders, or with folders train and test (and validation) that contain class folders.

    Args:
        folder: The folder. Files at any depth below a class folder belong to the class; hidden files are ignored.
        kind: Kind of the files.

    Returns:
        The files by split: `train` and any others; without labels if there are no class folders.

    Raises:
        DataError: The folder cannot be read or contains no files of this kind.
    """
    refuse_foreign(folder, expected=f"a folder of {kind.plural}, or a CSV of their paths")
    parts = split_folders(folder, kind)
    places = parts or {"train": folder}
    splits = {split: list_classes(path, kind) for split, path in places.items()}
    for split, found in splits.items():
        check_any(found, parts.get(split, folder))
    return splits


def check_any(found: MediaList, place: Path) -> None:
    """Raise an error if a list is empty.

    Args:
        found: The list.
        place: Path to name in the error.

    Raises:
        DataError: It is.
    """
    if not found.names:
        raise DataError(
            f"{place} has no {found.kind.plural}",
            expected=f"one folder for each class, with files that end in {found.kind.all_endings}",
        )


def split_folders(folder: Path, kind: MediaKind, *, apart: Path | None = None) -> dict[str, Path]:
    """Return the folders of the splits; none if the folders are classes (a class may be called `train`).

    Args:
        folder: The folder.
        kind: Kind of the files.
        apart: A folder that is none of the splits and none of the classes, such as that of masks.

    Raises:
        DataError: The folder cannot be read.
    """
    subfolders = dict(_folders(folder, kind))
    if apart is not None:
        beside = os.path.realpath(apart)
        subfolders = {name: path for name, path in subfolders.items() if os.path.realpath(path) != beside}
    by_split = {_SPLITS[name.lower()]: name for name in sorted(subfolders) if name.lower() in _SPLITS}
    if "train" not in by_split:
        return {}
    others = [name for name in subfolders if name.lower() not in _SPLITS]
    if others and not any(_folders(folder / by_split["train"], kind)):
        return {}
    return {split: folder / by_split[split] for split in ("train", "validation", "test") if split in by_split}


def list_classes(folder: Path, kind: MediaKind) -> MediaList:
    """List a folder with class folders in alphabetical order; without class folders its own files, without labels.

    Raises:
        DataError: The folder cannot be read, or a class has no files.
    """
    classes = sorted(dict(_folders(folder, kind)))
    found = [_walk(folder, name, kind) for name in classes]
    own = _Found(kind)
    _scan(folder, "", own, above=None)
    left_out = [*own.others, *(name for each in found for name in each.others)]
    if not any(each.files for each in found):
        return MediaList(kind, folder, sorted(own.files), left_out=tuple(left_out))
    for name, each in zip(classes, found, strict=True):
        if not each.files:
            raise DataError(
                f"the class folder {folder / name} has no {kind.plural}",
                expected=f"files that end in {kind.all_endings}",
                hint=f"remove the folder, or put {kind.plural} into it",
            )
    names = [name for each in found for name in sorted(each.files)]
    left_out += [f"{name} (outside of the class folders)" for name in own.files]
    labels = np.repeat(np.arange(len(classes), dtype=np.int32), [len(each.files) for each in found])
    return MediaList(kind, folder, names, labels, tuple(map(shown, classes)), tuple(left_out))


def list_all(folder: Path, kind: MediaKind) -> MediaList:
    """List every file of a kind at any depth of a folder, in alphabetical order, without labels."""
    found = _walk(folder, "", kind)
    return MediaList(kind, folder, sorted(found.files), left_out=tuple(found.others))


def shown(name: str) -> str:
    """Return a file name as valid text: bytes that are not UTF-8 are replaced."""
    return os.fsencode(name).decode("utf-8", "replace")


def _folders(folder: Path, kind: MediaKind) -> Iterator[tuple[str, str]]:
    for entry in _entries(folder, kind):
        if entry.is_dir():
            yield entry.name, entry.path


def _entries(folder: Path, kind: MediaKind) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".") and entry.name != "__MACOSX"]
    except OSError as error:
        raise _unreadable(folder, kind, error) from error


def _unreadable(folder: Path, kind: MediaKind, error: OSError) -> DataError:
    what = f"{folder} cannot be read: {(error.strerror or str(error)).lower()}"
    return DataError(what, expected=f"a folder of {kind.plural}")


def _walk(folder: Path, name: str, kind: MediaKind) -> _Found:
    found = _Found(kind)
    try:
        above = [_identity(folder), _identity(folder / name)]
    except OSError as error:
        raise _unreadable(folder / name, kind, error) from error
    _scan(folder, name, found, above=above)
    return found


def _scan(folder: Path, below: str, found: _Found, *, above: list[tuple[int, int]] | None) -> None:
    """Add the files of a folder to `found`, and those of its subfolders unless `above` is None.

    `above` contains the identities of the folders on the way here, to detect links that lead back to one of them.
    """
    folders = []
    for entry in _entries(folder / below, found.kind):
        name = f"{below}/{entry.name}" if below else entry.name
        if entry.is_dir():
            folders.append(name)
        elif os.path.splitext(entry.name)[1].lower() in (*found.kind.endings, *found.kind.unread):  # noqa: PTH122
            found.files.append(name)
        else:
            found.others.append(name)
    if above is None:
        return
    for name in folders:
        identity = _identity(folder / name)
        if identity not in above and len(above) < _LARGEST_DEPTH:
            _scan(folder, name, found, above=[*above, identity])


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
