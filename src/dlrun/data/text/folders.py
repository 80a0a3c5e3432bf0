"""Read texts from a folder of `.txt` files (one text per file, one folder per class), or the lines of a `.txt` file."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlrun.data.files.data_file import check_kept
from dlrun.data.files.encoding import LONGEST_TEXT, Detected, detect_encoding, lines, opened
from dlrun.data.text.rows import Row, TextFile
from dlrun.errors import DataError

SUFFIX = ".txt"
_NAMED = 10
_SPLITS = {"train": ("train", "training"), "test": ("test",), "validation": ("validation", "val", "valid", "dev")}


@dataclass(frozen=True)
class LinesFile(TextFile):
    """A file or standard input with one text per line and no labels; an empty line is an empty text."""

    def names(self) -> tuple[str, ...]:
        """Return no names: the file has no columns."""
        return ()

    def rows(self, *, labelled: bool) -> Iterator[Row]:
        """Read the lines."""
        check_kept(self.path, self.reading.keep, self.names())
        if labelled:
            raise DataError(
                f"{self.path} has no labels: each line is a text",
                expected="a CSV, TSV, JSONL or Parquet file, or a folder with one folder of .txt files for each class",
            )
        with opened(self.path, self.reading.known_encoding, newline=None) as stream:
            for number, line in enumerate(lines(stream, self.path), start=1):
                yield Row(number, line.removesuffix("\n"), None)


@dataclass(frozen=True)
class TextFolder(TextFile):
    """A folder of `.txt` files at any depth; the first subfolder of a file's path is its class.

    Files are sorted by name. Hidden files are ignored. Other files are left out, and a note lists them.
    """

    def names(self) -> tuple[str, ...]:
        """Return no names: the files have no columns."""
        return ()

    def rows(self, *, labelled: bool) -> Iterator[Row]:
        """Read the files."""
        check_kept(self.path, self.reading.keep, self.names())
        for number, path in enumerate(self.files, start=1):
            parts = path.relative_to(self.path).parts
            if labelled and len(parts) == 1:
                raise DataError(
                    f"{path} is not in a class folder",
                    expected=f"{self.path}/CLASS/{path.name}, one folder for each class",
                )
            yield Row(number, self._read(path), parts[0] if labelled else None)

    @functools.cached_property
    def files(self) -> tuple[Path, ...]:
        """Return the files in row order.

        Raises:
            DataError: There are none.
        """
        root = Path(self.path)
        found = tuple(path for path in sorted(root.rglob("*")) if _is_text(path, root))
        if not found:
            raise DataError(
                f"{self.path} contains no {SUFFIX} file",
                expected=f"{self.path}/CLASS/NAME{SUFFIX}, one folder for each class",
                hint="for a CSV, TSV, JSONL or Parquet file, set the path of the file: path: FOLDER/FILE.csv",
            )
        return found

    def detected(self) -> Iterator[tuple[str, Detected]]:
        """Yield each encoding other than UTF-8 with the first file in it, among the files read so far."""
        yield from ((f"{path} and similar files", found) for path, found in self._odd_encodings.values())

    def left_out(self) -> Iterator[str]:
        """Yield notes on other files, and on class folders without a text."""
        root = Path(self.path)
        others = [str(path.relative_to(root)) for path in sorted(root.rglob("*")) if _is_other(path, root)]
        if others:
            yield f"left out: {len(others):,} files in {root} that are not {SUFFIX} files: {_named(others)}"
        classes = {path.relative_to(root).parts[0] for path in self.files}
        folders = (path.name for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith("."))
        empty = [name for name in folders if name not in classes]
        if empty:
            yield f"left out: folders in {root} without a {SUFFIX} file, which are not classes: {_named(empty)}"

    @functools.cached_property
    def _odd_encodings(self) -> dict[str, tuple[Path, Detected]]:
        # Filled while the files are read, because a frozen dataclass cannot assign an attribute later.
        return {}

    def size(self) -> int:
        """Return the total size of the files in bytes."""
        return sum(path.stat().st_size for path in self.files)

    def row_name(self, number: int) -> str:
        """Return the path of a text's file within the folder."""
        return str(self.files[number - 1].relative_to(self.path))

    def place(self, number: int) -> str:
        """Return the path of a text's file."""
        return str(self.files[number - 1])

    def _read(self, path: Path) -> str:
        known = self.reading.known_encoding
        if known is None and (found := detect_encoding(str(path))).why:
            self._odd_encodings.setdefault(found.name, (path, found))
        with opened(str(path), known, newline=None) as stream:
            # One more character than allowed shows that a file is too long, without reading all of it.
            text = stream.read(LONGEST_TEXT + 1)
        if len(text) > LONGEST_TEXT:
            raise DataError(f"{path} has more than {LONGEST_TEXT:,} characters", expected="one text per file")
        return text


def split_folders(root: Path) -> dict[str, Path]:
    """Return the folders of the splits train, test and validation; empty if there is no train folder."""
    found = {
        split: root / name
        for split, names in _SPLITS.items()
        # Reversed, because the last of several entries of a dict wins, and the first name takes precedence.
        for name in reversed(names)
        if (root / name).is_dir()
    }
    return found if "train" in found else {}


def _is_text(path: Path, root: Path) -> bool:
    return path.suffix.lower() == SUFFIX and _is_seen(path, root)


def _is_other(path: Path, root: Path) -> bool:
    return path.suffix.lower() != SUFFIX and _is_seen(path, root)


def _is_seen(path: Path, root: Path) -> bool:
    """Return whether a path is a file that is not hidden, nor in a hidden folder."""
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
