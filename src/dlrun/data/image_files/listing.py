"""List image files by name: class folders, or a folder without classes. No file is opened."""

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
"""Endings of images that are not read: reported as files that cannot be read, and not left out silently."""
_SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "validation": "validation", "valid": "validation", "val": "validation",
}  # fmt: skip
_LARGEST_DEPTH = 64


@dataclass(frozen=True)
class ImageList:
    """Image files in a fixed order.

    Args:
        folder: What the names are relative to.
        names: Of the files.
        labels: `(files,)`: index of each one's class, or a value; None if there are none.
        classes: Names of the classes, in the order of their indices.
        left_out: Names of files beside them that are no images.
        table: The file that lists them; None: a folder holds them.
        rows: `(files,)`: the line or row of that file where each is listed.
        row_word: `line` or `row`: what `rows` counts.
        is_passing: Whether the user does not know the folder.
        kept: Values of other columns of that file, by their names.
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

    def __len__(self) -> int:
        """Number of files."""
        return len(self.names)

    def at(self, places: npt.NDArray[np.int64]) -> ImageList:
        """The files at `places`, in that order."""
        labels = None if self.labels is None else self.labels[places]
        rows = None if self.rows is None else self.rows[places]
        kept = {name: [values[place] for place in places] for name, values in self.kept.items()}
        return replace(self, names=[self.names[place] for place in places], labels=labels, rows=rows, kept=kept)

    @property
    def origin(self) -> Path:
        """What the user has named: the list, or the folder."""
        return self.table or self.folder

    def place(self, index: int) -> str:
        """Where a file is, for people: below the folder, or on a line of the list."""
        name = shown(self.names[index])
        if self.table is not None and self.rows is not None:
            return f"{self.table}: {self.row_word} {self.rows[index]}: {name}"
        return name if self.is_passing else str(self.folder / name)

    def paths(self) -> list[bytes]:
        """Where the files are."""
        folder = os.fsencode(self.folder)
        return [os.path.join(folder, os.fsencode(name)) for name in self.names]  # noqa: PTH118  200,000 Paths are slow


@dataclass
class _Found:
    """What a walk through a folder has come upon, by names relative to it."""

    images: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def list_splits(folder: Path) -> dict[str, ImageList]:
    """List a folder that has a folder for each class, or folders train and test (and validation) with these in it.

    Args:
        folder: Its files at any depth below a class's folder belong to the class; hidden ones are not looked at.

    Returns:
        By split: `train`, and the others that there are; without labels where there are no class folders.

    Raises:
        DataError: It cannot be read, or has no images to train on.
    """
    refuse_foreign(folder, expected="a folder of images, or a CSV of their paths")
    parts = _split_folders(folder)
    splits = {split: list_classes(path) for split, path in parts.items()} if parts else {"train": list_classes(folder)}
    for split, found in splits.items():
        check_any(found, parts.get(split, folder))
    return splits


def check_any(found: ImageList, place: Path) -> None:
    """Make sure that there are images.

    Raises:
        DataError: There are none.
    """
    if not found.names:
        raise DataError(
            f"{place} has no images",
            expected="folders, one for each class, with files that end in " + ", ".join(ENDINGS),
        )


def _split_folders(folder: Path) -> dict[str, Path]:
    """The folders of the splits; none if the folders are classes, one of which may be called train."""
    subfolders = dict(_folders(folder))
    by_split = {_SPLITS[name.lower()]: name for name in sorted(subfolders) if name.lower() in _SPLITS}
    if "train" not in by_split:
        return {}
    others = [name for name in subfolders if name.lower() not in _SPLITS]
    if others and not any(_folders(folder / by_split["train"])):
        return {}
    return {split: folder / by_split[split] for split in ("train", "validation", "test") if split in by_split}


def list_classes(folder: Path) -> ImageList:
    """List a folder whose folders are classes, in alphabetical order; or its own images, without labels.

    Raises:
        DataError: It cannot be read, or a class has no images.
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
    left_out += [f"{name} (beside the class folders)" for name in own.images]
    labels = np.repeat(np.arange(len(classes), dtype=np.int32), [len(each.images) for each in found])
    return ImageList(folder, names, labels, tuple(map(shown, classes)), tuple(left_out))


def list_all(folder: Path) -> ImageList:
    """List every image at any depth of a folder, in alphabetical order, without labels."""
    found = _walk(folder, "")
    return ImageList(folder, sorted(found.images), left_out=tuple(found.others))


def shown(name: str) -> str:
    """A file's name as text: bytes that are no UTF-8 are replaced."""
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
    """Note the files of a folder, and of those below it unless `above`, the folders it lies in, is None."""
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
        if identity not in above and len(above) < _LARGEST_DEPTH:  # a link may lead back to where it stands
            _scan(folder, name, found, above=[*above, identity])


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
