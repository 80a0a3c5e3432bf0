"""The base class of datasets whose examples are files: in class folders, or listed in a file with their labels."""

from __future__ import annotations

import abc
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from dlrun.component import FieldProblem
from dlrun.data.dataset import Source
from dlrun.data.example_columns.columns import weight_note
from dlrun.data.example_columns.division import WrittenBlock, divide_examples, read_written
from dlrun.data.example_columns.keys import KEYS, ExampleKeys
from dlrun.data.files.data_file import advice_on_absent
from dlrun.data.files.keys import FileKeys
from dlrun.data.files.locate import open_file
from dlrun.data.labels import Task
from dlrun.data.media.loading import media_targets, numbered_files
from dlrun.data.media.names import group_of_names, names_group
from dlrun.data.media_files.kind import MediaKind
from dlrun.data.media_files.listing import MediaList, check_any, list_classes, list_splits
from dlrun.data.media_files.path_table import check_named, is_path_table, list_table
from dlrun.data.splits import Array, Split
from dlrun.errors import DataError
from dlrun.signature import Target
from dlrun.system.paths import FROM_WHERE

_FOR_A_LIST = {
    "label_column": "label", "task": "auto", "header": "auto", "names": (), "delimiter": "auto", "quoted": True,
    "encoding": "auto",
}  # fmt: skip
"""Keys for a file that lists examples, with their defaults; and the key for its column of paths."""

_DESCRIBED_BYTES = 1 << 23
"""Lists up to this size are read when a spec is validated, to know the splits that a column gives."""


class MediaSource(FileKeys, ExampleKeys, Source, abc.ABC):
    """A dataset whose examples are files."""

    place_keys: ClassVar[tuple[str, ...]] = ("path", "test_path", "validation_path")
    path_keys: ClassVar[tuple[str, ...]] = place_keys
    reach_keys: ClassVar[tuple[str, ...]] = ("path", "test_path", "validation_path")

    kind: ClassVar[MediaKind]
    column_key: ClassVar[str]
    """The key for the column of a list with the paths of the files."""

    column_keys: ClassVar[tuple[str, ...]] = ()
    """Further keys for columns of a list."""

    path: str = Field(
        description="A folder with a folder for each class; or with folders train and test (and validation) that have "
        f"these; or a list of paths (relative to it) and labels: a .csv, .tsv, .parquet or .jsonl file. {FROM_WHERE}"
    )
    test_path: str | None = Field(
        default=None, description="The same for the test split: class folders, or a list. null: none, or as in path."
    )
    validation_path: str | None = Field(
        default=None, description="The same for the validation split. null: none, or as in path."
    )
    label_column: str | None = Field(
        default="label", description="Column of a list with the labels. null: there are none (for an autoencoder)."
    )
    task: Task = Field(
        default="auto",
        description="The task for the labels of a list: classification · regression · auto: regression if all labels "
        "are numbers and one has a decimal point, otherwise classification.",
    )
    corrupt: Literal["error", "skip"] = Field(
        default="error",
        description="How to handle files that cannot be read. error: stop · skip: leave them out with a note.",
    )
    group: str | None = Field(
        default=None,
        min_length=1,
        description="What files of one group have in common, such as a speaker or a patient: they are held out "
        "together, so that none is on two sides of a split. The column of a list; or a part of the name of the file: "
        "folder (below the class folder) · file_prefix (jackson of jackson_07.wav) · file_part_2 (the next part, after "
        "_ or -) and so on. null: no groups.",
    )

    @property
    def path_column(self) -> str:
        """Column of a list with the paths of the files."""
        found: str = getattr(self, self.column_key)
        return found

    def problems(self) -> Iterator[FieldProblem]:
        """Yield a problem for each key that contradicts another, and for each column that the list lacks."""
        yield from super().problems()
        if not is_path_table(self.path):
            for key, usual in {self.column_key: "path", **_FOR_A_LIST}.items():
                if getattr(self, key) != usual:
                    expected = str(usual).lower() if isinstance(usual, bool) else str(usual or "no key")
                    what = f"{key} is for a list of {self.kind.plural}, but path is a folder"
                    yield FieldProblem((key,), what, expected)
        yield from self.example_problems({self.column_key: (self.path_column,), "label_column": self._labels})
        yield from self._folder_problems()
        if not is_path_table(self.path):
            return
        yield from self.name_problems()
        try:
            file = open_file(Path(self.path).expanduser(), self.file_format, head_only=True)
            check_named(file.path, file.names, self.kind)
        except DataError:  # load() raises it: the data is wrong, not the spec
            return
        yield from self.format_problems((file,), self.path)
        for key in (self.column_key, "label_column", *self.column_keys, *KEYS):
            name = self.read_label_column if key == "label_column" else getattr(self, key)
            if name is not None and name not in file.names and not (key == "group" and names_group(name)):
                expected, hint = advice_on_absent(name, file.names, row_like=file.row_like)
                yield FieldProblem((key,), f"{self.path} has no column {name!r}", expected, hint)

    def _folder_problems(self) -> Iterator[FieldProblem]:
        """Yield the keys that name a column of a list where a folder gives the files."""
        folders = [place for place in (self.path, self.test_path, self.validation_path) if place is not None]
        folder = next((place for place in folders if not is_path_table(place)), None)
        if folder is None:
            return
        for key, name in self.described_by.items():
            if key == "group" and names_group(name):
                continue
            plural = self.kind.plural
            what = f"{name!r} is a column of a list of {plural}, but {folder} is a folder, which has no columns"
            hint = f"list the {plural} with this column in a file"
            expected = "a .csv, .tsv, .parquet or .jsonl file of paths and labels"
            if key == "split":
                hint += "; or divide them into folders train, validation and test, without the key split"
            if key == "group":
                expected = "folder, file_prefix or file_part_2, which are parts of the names of files"
            yield FieldProblem((key,), what, expected, hint)

    def split_keys(self) -> Mapping[str, str]:
        """Return the splits other than `train` that are given by keys, also those in the split column of a list."""
        given = {**super().split_keys()}
        if self.split is not None and (self.test or self.validation or self.fold) and is_path_table(self.path):
            with suppress(DataError, OSError):  # load() raises it: the data is wrong, not the spec
                path = Path(self.path).expanduser()
                if path.stat().st_size <= _DESCRIBED_BYTES:
                    splits = read_written(_blocks({"train": self._listed_table(path)}, self), self).splits
                    given |= {name: "split" for name in splits if name != "train"}
        return given

    def places(self) -> tuple[Path, ...]:
        """Return the folders, the lists, and every file in the lists."""
        named = super().places()
        files: list[Path] = []
        for path in filter(is_path_table, named):
            with suppress(DataError):  # load() raises it
                # Only the paths are needed, so a problem of the labels must not hide them.
                found = self._listed_table(path, has_labels=False)
                files += map(Path, map(os.fsdecode, found.paths()))
        return (*named, *files)

    def check_files(self) -> None:
        """List the files without opening them.

        Raises:
            DataError: A folder or a list cannot be read, there are no files, or a class has none.
        """
        media_targets(self.lists())

    def check_fold(self) -> None:
        """Divide the listed files into folds, without opening them.

        Raises:
            DataError: There are too few files.
        """
        if self.fold is None:
            return
        lists = self.lists()
        labels, target, _ = media_targets(lists)
        self.divide(lists, labels, target)

    def divide(
        self, lists: Mapping[str, MediaList], labels: Mapping[str, Array | None], target: Target | None
    ) -> tuple[dict[str, Split], tuple[str, ...]]:
        """Divide the listed files by the columns that describe them, and hold out test and validation files.

        Returns:
            Splits of file numbers, and a note on each choice.
        """
        given, of_column = numbered_files(lists, labels), ()  # type: dict[str, Split], tuple[str, ...]
        if self.described_by:
            columns, place = read_written(_blocks(lists, self), self), lambda number: _place(lists, number)
            given, of_column = divide_examples(given, columns, self, keys=self, place=place)
        arranged, held_out = self.hold_out(given, by_class=target is not None and target.kind == "classes")
        if self.weight is not None and (weight := arranged["train"].weight) is not None:
            of_column = (*of_column, weight_note(weight, self.weight, noun=self.kind.noun))
        return arranged, (*of_column, *held_out)

    def lists(self) -> dict[str, MediaList]:
        """List the files of each split before anything is held out, without opening them.

        Raises:
            DataError: A folder or a CSV cannot be read, or there are no files.
        """
        given, kind = Path(self.path).expanduser(), self.kind
        lists = {"train": self._listed_table(given)} if is_path_table(self.path) else list_splits(given, kind)
        for split, place in (("test", self.test_path), ("validation", self.validation_path)):
            if place is not None:
                path = Path(place).expanduser()
                lists[split] = self._listed_table(path) if is_path_table(place) else list_classes(path, kind)
                check_any(lists[split], path)
        return {name: self.grouped(files) for name, files in lists.items()}

    def grouped(self, files: MediaList) -> MediaList:
        """Return files with their group if a part of their names gives it."""
        if self.group is None or self.group in files.kept or not names_group(self.group):
            return files
        return replace(files, kept={**files.kept, self.group: group_of_names(files, self.group)})

    @property
    def input_keys(self) -> dict[str, Any]:
        """The keys that a `MediaInput` has, too, with which a prediction reads lists."""
        known = self.file_format
        return {
            "label_column": self.label_column or "label",
            "header": known.header,
            "delimiter": known.delimiter,
            "encoding": known.encoding,
            "quoted": known.quoted,
            "weight": self.weight,
        }

    @property
    def read_label_column(self) -> str | None:
        """Column of labels that is read from a list; None if there are no labels."""
        return self.label_column

    @property
    def kept_columns(self) -> tuple[str, ...]:
        """Further columns that are read from a list."""
        return tuple(self.example_columns)

    @property
    def _labels(self) -> tuple[str, ...]:
        return () if self.read_label_column is None else (self.read_label_column,)

    def _listed_table(self, path: Path, *, has_labels: bool = True) -> MediaList:
        """Read a list, with the columns that describe the files; without labels only their paths."""
        keep = self.kept_columns if has_labels else ()
        if self.group in keep and names_group(self.group or ""):
            # Such a name may be a column, too, which takes precedence.
            names = open_file(path, self.file_format, head_only=True).names
            keep = tuple(name for name in keep if name != self.group or name in names)
        return list_table(
            path,
            self.kind,
            path_column=self.path_column,
            label_column=self.read_label_column if has_labels else None,
            task=self.task,
            file_format=self.file_format,
            keep=keep,
        )


def _blocks(lists: Mapping[str, MediaList], keys: ExampleKeys) -> Iterator[WrittenBlock]:
    """Yield the columns of each list that describe its files.

    Raises:
        DataError: A list, which may be a folder, lacks one.
    """
    for files in lists.values():
        absent = next((name for name in keys.example_columns if name not in files.kept), None)
        if absent is not None:  # `problems` reports it with its place in the spec
            raise DataError(f"{files.origin} has no column {absent!r}", expected="a list of paths with this column")
        yield [files.kept[name] for name in keys.example_columns], files.place


def _place(lists: Mapping[str, MediaList], number: int) -> str:
    """Return the place of a file that is counted through all lists."""
    for files in lists.values():
        if number < len(files):
            return files.place(number)
        number -= len(files)
    raise IndexError(number)
