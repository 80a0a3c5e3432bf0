"""List image files in class folders, or in a folder without classes, by name only: no file is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlrun.data.files.foreign import refuse_foreign
from dlrun.errors import DataError

ENDINGS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm",
)  # fmt: skip
FORMATS = "JPEG, PNG, GIF, BMP, WebP, TIFF or PPM files"
_UNREAD = (".heic", ".heif", ".avif", ".jp2", ".jxl", ".psd", ".svg", ".ico", ".tga")
"""Suffixes of unsupported image formats. They are listed, so that they are reported as unreadable and not ignored."""
_SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "validation": "validation", "valid": "validation", "val": "validation",
}  # fmt: skip
_LARGEST_DEPTH = 64


@dataclass(frozen=True)
class ImageList:
    """Image files in a fixed order.

    Args:
        folder: Folder that the names are relative to.
        names: Names of the files.
        labels: Class indices or values, `(files,)`; None if there are no labels.
        classes: Class names in the order of their indices.
        left_out: Names of other files in the folder that are not images.
        table: File that lists the images; None if they were found in a folder.
        rows: Line or row of `table` for each image, `(files,)`.
        row_word: Unit of `rows`: `line` or `row`.
        is_passing: Whether the folder is temporary, so that messages do not show it.
        kept: Values of further columns of `table`, by column name.
        weights: What each image counts in scores, `(files,)` float32; None if all count once.
    """

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

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.names)

    def at(self, places: npt.NDArray[np.int64]) -> ImageList:
        """Return the files at `places`, in that order."""
        labels = None if self.labels is None else self.labels[places]
        rows = None if self.rows is None else self.rows[places]
        kept = {name: [values[place] for place in places] for name, values in self.kept.items()}
        weights = None if self.weights is None else self.weights[places]
        names = [self.names[place] for place in places]
        return replace(self, names=names, labels=labels, rows=rows, kept=kept, weights=weights)

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

    images: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def list_splits(folder: Path) -> dict[str, ImageList]:
    """List a folder with class folders, or with folders train and test (and validation) that contain class folders.

    Args:
        folder: The folder. Files at any depth below a class folder belong to the class; hidden files are ignored.

    Returns:
        The images by split: `train` and any others; without labels if there are no class folders.

    Raises:
        DataError: The folder cannot be read or contains no images.
    """
    refuse_foreign(folder, expected="a folder of images, or a CSV of their paths")
    parts = _split_folders(folder)
    splits = {split: list_classes(path) for split, path in parts.items()} if parts else {"train": list_classes(folder)}
    for split, found in splits.items():
        check_any(found, parts.get(split, folder))
    return splits


def check_any(found: ImageList, place: Path) -> None:
    """Raise an error if a list is empty.

    Args:
        found: The list.
        place: Path to name in the error.

    Raises:
        DataError: There are no images.
    """
    if not found.names:
        raise DataError(
            f"{place} has no images",
            expected="one folder for each class, with files that end in " + ", ".join(ENDINGS),
        )


def _split_folders(folder: Path) -> dict[str, Path]:
    """Return the folders of the splits; none if the folders are classes (a class may be called `train`)."""
    subfolders = dict(_folders(folder))
    by_split = {_SPLITS[name.lower()]: name for name in sorted(subfolders) if name.lower() in _SPLITS}
    if "train" not in by_split:
        return {}
    others = [name for name in subfolders if name.lower() not in _SPLITS]
    if others and not any(_folders(folder / by_split["train"])):
        return {}
    return {split: folder / by_split[split] for split in ("train", "validation", "test") if split in by_split}


def list_classes(folder: Path) -> ImageList:
    """List a folder with class folders in alphabetical order; without class folders its own images, without labels.

    Raises:
        DataError: The folder cannot be read, or a class has no images.
    """
    classes = sorted(dict(_folders(folder)))
    found = [_walk(folder, name) for name in classes]
    own = _Found()
    _scan(folder, "", own, above=None)
    left_out = [*own.others, *(name for each in found for name in each.others)]
    if not any(each.images for each in found):
        return ImageList(folder, sorted(own.images), left_out=tuple(left_out))
    for name, each in zip(classes, found, strict=True):
        if not each.images:
            raise DataError(
                f"the class folder {folder / name} has no images",
                expected="files that end in " + ", ".join(ENDINGS),
                hint="remove the folder, or put images into it",
            )
    names = [name for each in found for name in sorted(each.images)]
    left_out += [f"{name} (outside of the class folders)" for name in own.images]
    labels = np.repeat(np.arange(len(classes), dtype=np.int32), [len(each.images) for each in found])
    return ImageList(folder, names, labels, tuple(map(shown, classes)), tuple(left_out))


def list_all(folder: Path) -> ImageList:
    """List every image at any depth of a folder, in alphabetical order, without labels."""
    found = _walk(folder, "")
    return ImageList(folder, sorted(found.images), left_out=tuple(found.others))


def shown(name: str) -> str:
    """Return a file name as valid text: bytes that are not UTF-8 are replaced."""
    return os.fsencode(name).decode("utf-8", "replace")


def _folders(folder: Path) -> Iterator[tuple[str, str]]:
    for entry in _entries(folder):
        if entry.is_dir():
            yield entry.name, entry.path


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".") and entry.name != "__MACOSX"]
    except OSError as error:
        raise DataError(
            f"{folder} cannot be read: {(error.strerror or str(error)).lower()}",
            expected="a folder of images",
        ) from error


def _walk(folder: Path, name: str) -> _Found:
    found = _Found()
    _scan(folder, name, found, above=[_identity(folder), _identity(folder / name)])
    return found


def _scan(folder: Path, below: str, found: _Found, *, above: list[tuple[int, int]] | None) -> None:
    """Add the files of a folder to `found`, and those of its subfolders unless `above` is None.

    `above` contains the identities of the folders on the way here, to detect links that lead back to one of them.
    """
    folders = []
    for entry in _entries(folder / below):
        name = f"{below}/{entry.name}" if below else entry.name
        if entry.is_dir():
            folders.append(name)
        elif os.path.splitext(entry.name)[1].lower() in (*ENDINGS, *_UNREAD):  # noqa: PTH122
            found.images.append(name)
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
