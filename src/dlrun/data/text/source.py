"""Datasets of texts from CSV, TSV, JSON lines or Parquet files, or from one folder of .txt files for each class."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from dlrun.component import FieldProblem
from dlrun.data.columns import take_rows, written_values
from dlrun.data.dataset import Dataset, Source, datasets
from dlrun.data.example_columns.columns import weight_note
from dlrun.data.example_columns.keys import ExampleKeys
from dlrun.data.files.data_file import advice_on_absent
from dlrun.data.files.encoding import notes_of
from dlrun.data.files.json_lines import JsonLinesFile
from dlrun.data.files.keys import FileKeys
from dlrun.data.labels import Task
from dlrun.data.splits import Array, Split, fingerprint_of
from dlrun.data.text.column_file import ColumnFile
from dlrun.data.text.corpus import FileCorpus
from dlrun.data.text.division import divide_texts
from dlrun.data.text.files import files_of
from dlrun.data.text.folders import TextFolder, split_folders
from dlrun.data.text.keys import TextKeys
from dlrun.data.text.labels import read_labels
from dlrun.data.text.moods import REMARK, Moods
from dlrun.data.text.rows import StandardInput, TextFile, TextReading
from dlrun.data.text.vectorize import numbered, vectorize
from dlrun.errors import DataError
from dlrun.signature import Description, Target
from dlrun.system.paths import FROM_WHERE

_DESCRIBED_BYTES = 2**22
"""Files up to this size are already read when a spec is checked, which takes a fifth of a second."""


@datasets.register("text")
class Text(TextKeys, FileKeys, ExampleKeys, Source):
    """Texts from your own files, with a class or a number to predict."""

    place_keys = ("path", "test_path", "validation_path")
    path_keys = place_keys
    reach_keys = ("path", "test_path", "validation_path")

    path: str | None = Field(
        default=None,
        description="A .csv, .tsv, .jsonl or .parquet file, a pattern such as data/*.csv, or a folder with one folder "
        f"of .txt files for each class (which may lie in folders train, test and validation). {FROM_WHERE}",
    )
    builtin: Literal["moods"] | None = Field(
        default=None,
        description="Texts that need no file. moods: 3,000 generated sentences, positive, neutral or negative.",
    )
    test_path: str | None = Field(default=None, description="The test split, in the same form. null: none.")
    validation_path: str | None = Field(default=None, description="The validation split, in the same form. null: none.")
    text: str = Field(default="text", description="Column (or key) of the texts. Not for folders.")
    label: str = Field(default="label", description="Column (or key) of the labels. Not for folders.")
    task: Task = Field(
        default="auto",
        description="classification: labels are class names, which may be numbers · regression: labels are numbers · "
        "auto: regression for numbers with fractions, classification for names and whole numbers.",
    )
    classes: tuple[str, ...] | None = Field(
        default=None,
        description="Classes to use, in the order of their indices. Texts with other labels are left out. null: all, "
        "sorted.",
    )
    standard_input: StandardInput = Field(
        default="auto",
        description="Format of standard input for predict and eval: lines (one text per line), csv or jsonl. auto: CSV "
        "if the first line contains the name of the text column, JSON lines if it is an object, otherwise lines.",
    )

    def problems(self) -> Iterator[FieldProblem]:
        """Yield a problem for each key that contradicts another, and for each missing column."""
        if (self.path is None) == (self.builtin is None):
            problem = "neither path nor builtin is set" if self.path is None else "path and builtin are both set"
            yield FieldProblem(() if self.path is None else ("builtin",), problem, "path or builtin")
        yield from super().problems()
        if self.task == "regression" and self.classes is not None:
            yield FieldProblem(("classes",), "regression has no classes", "null")
        if self.path is not None and self.text == self.label:
            yield FieldProblem(("label",), f"{self.label!r} is also the column of the texts", "another column")
        yield from self.example_problems({"text": (self.text,), "label": (self.label,)})
        if self.builtin is not None:
            for key in self.described_by:
                yield FieldProblem((key,), f"the texts of {self.builtin} have no columns", "null", f"leave {key} out")
        yield from self.name_problems()
        yield from self._column_problems()

    def describe(self) -> Description | None:
        """Return the description of the whole dataset, for which small files are read; None for others and folders."""
        try:
            stamp = self._stamp()
            return _loaded(self, stamp).describe() if stamp is not None else None
        except DataError:  # load() raises it: the data is wrong, not the spec
            return None

    def check_files(self) -> None:
        """Check that the files and their columns exist; small files are read completely.

        Raises:
            DataError: The files cannot be read, or do not contain texts.
        """
        if self._stamp() is not None:
            self.load()
        for files in self._files(self._places()).values():
            files[0].names()

    def load(self) -> Dataset:
        """Read the texts, adapt the vocabulary to the training split, and convert every text to token ids.

        Raises:
            DataError: A file is missing or damaged, a row lacks its text or label, or a label is not in `classes`.
        """
        stamp = self._stamp()
        return _loaded(self, stamp) if stamp is not None else self._load()

    def slicing_problems(self, names: Sequence[str]) -> Iterator[FieldProblem]:
        """Yield the columns that the files of texts do not have; all of them, for texts in folders and in lines."""
        try:
            file = self._files(self._places())["train"][0]
            found, opened = file.names(), file.open(head_only=True) if isinstance(file, ColumnFile) else None
        except DataError:  # load() raises it: the data is wrong, not the names
            return
        if opened is None:
            what = f"the texts of {file.path} cannot be sliced by {', '.join(names)}, because they have no columns"
            yield FieldProblem((), what, "texts in a CSV, Parquet or JSON lines file")
            return
        for index, name in enumerate(names):
            # Lines of JSON may have different keys, and only the first lines were read.
            if name not in found and not isinstance(opened, JsonLinesFile):
                expected, hint = advice_on_absent(name, found, row_like=opened.row_like)
                yield FieldProblem((index,), f"there is no column {name!r}", expected, hint)

    def read_slice_values(self, names: Sequence[str], splits: Mapping[str, Split]) -> Mapping[str, Mapping[str, Array]]:
        """Read columns of the files again, and select the texts of each split.

        Raises:
            DataError: A file lacks a column, or has fewer texts than when the dataset was loaded.
        """
        reading = replace(self._reading, keep=tuple(names))
        rows: list[tuple[str | None, ...]] = []
        for files in self._files(self._places()).values():
            corpus = FileCorpus(tuple(replace(file, reading=reading) for file in files), self.classes)
            rows += [named.row.kept for named in corpus]
        values = {name: written_values([row[index] for row in rows]) for index, name in enumerate(names)}
        return {split: take_rows(values, part.rows, label=str(self.path)) for split, part in splits.items()}

    def _load(self) -> Dataset:
        corpora = {
            name: FileCorpus.of(files, classes=self.classes)
            for name, files in self._files(self._places(), keep=tuple(self.example_columns)).items()
        }
        targets, target, note = read_labels(corpora, task=self.task, classes=self.classes, label=self.label)
        given, of_column = divide_texts(numbered(targets), corpora, self, source=self)
        splits, held_out = self.hold_out(given, by_class=target.kind == "classes")
        if target.kind == "values":
            target = _scaled(target, splits["train"])
        if self.weight is not None and (weight := splits["train"].weight) is not None:
            of_column = (*of_column, weight_note(weight, self.weight, noun="text"))
        made = vectorize(corpora, splits, keys=self, reading=self._reading)
        files = [file for corpus in corpora.values() for file in corpus.files]
        detected = (found for file in files for found in file.detected())
        left_out = (note for file in files for note in file.left_out())
        remarks = (REMARK,) if self.builtin else (*notes_of(detected), *left_out)
        return Dataset(
            self.builtin or Path(self.path or "").stem or "text",
            made.features,
            target,
            made.preprocess,
            made.splits,
            fingerprint_of(made.splits),
            (*remarks, note, *of_column, *held_out, *made.notes),
            raw=replace(made.raw, weight=self.weight),
            warnings=tuple(warning for file in files for warning in file.warnings()),
            weight=self.weight or "",
        )

    @property
    def _reading(self) -> TextReading:
        return TextReading(
            self.text, self.label, self.encoding, self.delimiter, self.quoted, self.first_line, self.standard_input
        )

    def _places(self) -> dict[str, str]:
        """Return the path of each split."""
        path = self.path or ""
        within = split_folders(Path(path).expanduser()) if path else {}
        places = {"train": path, **{name: str(folder) for name, folder in within.items()}}
        for name, place in (("test", self.test_path), ("validation", self.validation_path)):
            if place is not None and name in places:
                problem = f"{path} has a folder {Path(places[name]).name}, but {name}_path is set too, to {place}"
                raise DataError(problem, expected="only one of them")
            if place is not None:
                places[name] = place
        return places

    def _files(self, places: Mapping[str, str], *, keep: tuple[str, ...] = ()) -> dict[str, tuple[TextFile, ...]]:
        if self.builtin is not None:
            return {"train": (Moods(self.builtin, self._reading, self.seed),)}
        reading = replace(self._reading, keep=keep)
        return {name: files_of(place, reading) for name, place in places.items()}

    def _stamp(self) -> tuple[Any, ...] | None:
        """Return a value that changes with the files if they are small, otherwise None."""
        if self.builtin is not None:
            return ()
        files = tuple(itertools.chain.from_iterable(self._files(self._places()).values()))
        is_small = not any(isinstance(file, TextFolder) for file in files) and all(
            Path(file.path).is_file() for file in files
        )
        if not is_small or sum(file.size() for file in files) > _DESCRIBED_BYTES:
            return None
        return tuple((file.path, (found := Path(file.path).stat()).st_size, found.st_mtime_ns) for file in files)

    def _column_problems(self) -> Iterator[FieldProblem]:
        """Yield a problem for each column that the first file lacks; load() reports files that cannot be read."""
        if self.path is None:
            return
        try:
            file = self._files(self._places())["train"][0]
            names = file.names()
            opened = file.open(head_only=True) if isinstance(file, ColumnFile) else None
        except DataError:
            return
        if opened is not None:
            yield from self.format_problems((opened,), file.path)
        wanted: dict[str, str] = {"text": self.text, "label": self.label}
        wanted.update(self.described_by.items())
        for key, name in wanted.items():
            if names and name not in names:
                row_like = "" if opened is None else opened.row_like
                otherwise = f"set the key `{key}` to the name of the column"
                expected, hint = advice_on_absent(name, names, row_like=row_like, otherwise=otherwise)
                yield FieldProblem((key,), f"{file.path} has no column {name!r}", expected, hint)
            elif not names and key in self.model_fields_set:
                yield FieldProblem((key,), f"{file.path} has no columns", "null", f"leave {key} out")


@functools.lru_cache(maxsize=4)
def _loaded(source: Text, stamp: tuple[Any, ...]) -> Dataset:
    """Load a small dataset once for checking the spec and for training; again if its files have changed."""
    del stamp
    return source._load()  # noqa: SLF001  a private method of the class above


def _scaled(target: Target, train: Split) -> Target:
    """Return the target as it is learnt: scaled to mean 0 and variance 1 on the training split."""
    values = np.asarray(train.target, np.float64)
    return replace(target, mean=(float(values.mean()),), scale=(float(values.std()) or 1.0,))
