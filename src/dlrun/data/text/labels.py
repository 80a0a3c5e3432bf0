"""From the labels of every text to the target: classes and their names, or numbers; each checked."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.columns.numbers import merges_in_float32
from dlrun.data.files.spelling import canonical, other_spellings
from dlrun.data.labels import Task
from dlrun.data.text.corpus import Corpus, Named
from dlrun.errors import DataError
from dlrun.names import nearest
from dlrun.signature import Target

Array = npt.NDArray[Any]

_MOST_CLASSES = 10_000


@dataclass
class _LabelColumn:
    """The labels of one place, gathered row by row: as names, as long as there are few, and as numbers.

    Args:
        codes: For each row, which of `first` it has.
        first: Every name, with the first place where it stands.
        numbers: For each row its number, as long as all are numbers.
        no_number: The first place with a label that is none.
    """

    codes: array[int] = field(default_factory=lambda: array("q"))
    first: dict[str, str] = field(default_factory=dict)
    numbers: array[float] = field(default_factory=lambda: array("d"))
    no_number: str = ""
    _index: dict[str, int] = field(default_factory=dict)

    def add(self, named: Named) -> None:
        """Take one row's label in."""
        label = named.row.label or ""
        code = self._index.get(label)
        if code is None and len(self.first) <= _MOST_CLASSES:
            code = self._index[label] = len(self._index)
            self.first[label] = named.place
        self.codes.append(-1 if code is None else code)
        if self.no_number:
            return
        number = number_of(label)
        if number is None:
            self.no_number = f"{named.place}: the label is {label!r}"
            return
        self.numbers.append(number)


def read_labels(
    corpora: Mapping[str, Corpus], *, task: Task, classes: tuple[str, ...] | None, label: str
) -> tuple[dict[str, Array], Target, str]:
    """Read the label of every text.

    Args:
        corpora: By split; `train` among them.
        task: What labels are.
        classes: The classes in the order of their indices; None: those of the training texts, sorted.
        label: What the column is called.

    Returns:
        By split: `(texts,)` class indices int32, or numbers float32; the target; and a note.

    Raises:
        DataError: There are no texts, all have one label, a label is not a number, or not one of the training texts'.
    """
    columns = {split: _column(corpus) for split, corpus in corpora.items()}
    train = columns["train"]
    if not train.codes:
        raise DataError("there is no text to train on", expected="some rows with a text and a label")
    is_number, why = _is_number(train, task)
    if is_number:
        return _numbers(columns), Target("values", 1, encoding="value", names=(label,)), f"target: a number, as {why}"
    names = classes or _class_names(train)
    targets = {split: _indices(column, names) for split, column in columns.items()}
    return targets, Target("classes", len(names), names), f"target: {len(names)} classes, as {why}"


def number_of(label: str) -> float | None:
    """The finite number that a label is, or None."""
    try:
        number = float(label)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def class_name(label: str) -> str:
    """What a class is called: whole numbers without a fraction, so that 1.0 and 1 are one class."""
    number = number_of(label)
    return canonical(label) if number is None or not number.is_integer() else str(int(number))


def class_places(names: Iterable[str]) -> dict[str, int]:
    """The place of each class by its name, and by every other spelling that is not a name of its own."""
    places = {name: place for place, name in enumerate(names)}
    for name, place in list(places.items()):
        for each in (canonical(name), *other_spellings(name)):
            places.setdefault(each, place)
    return places


def place_of(label: str, places: Mapping[str, int]) -> int | None:
    """The place of the class that a label names, as it is spelled or as the same value; None: it is unknown."""
    for name in (label, canonical(label), class_name(label)):
        if name in places:
            return places[name]
    return None


def _column(corpus: Corpus) -> _LabelColumn:
    column = _LabelColumn()
    for named in corpus:
        column.add(named)
    return column


def _is_number(train: _LabelColumn, task: Task) -> tuple[bool, str]:
    if task != "auto":
        return task == "regression", f"the key `task` says {task}"
    if train.no_number:
        return False, "the labels are names"
    if not all(number_of(name).is_integer() for name in train.first):  # type: ignore[union-attr]  # all are numbers
        return True, "the labels have fractions (task: classification to read them as classes)"
    return False, "the labels are whole numbers (task: regression to read them as numbers)"


def _class_names(train: _LabelColumn) -> tuple[str, ...]:
    if len(train.first) > _MOST_CLASSES:
        raise DataError(
            f"the labels have more than {_MOST_CLASSES:,} different values",
            expected="classes that come up again and again",
            hint="task: regression, or another column as `label`",
        )
    by_number = not train.no_number
    names = {class_name(name) if by_number else canonical(name) for name in train.first}
    if len(names) == 1:
        said = f"every training text has the label {next(iter(names))!r}"
        raise DataError(said, expected="two classes or more")
    return tuple(sorted(names, key=float)) if by_number else tuple(sorted(names))


def _indices(column: _LabelColumn, names: tuple[str, ...]) -> npt.NDArray[np.int32]:
    places = class_places(names)
    of_code = []
    for label, place in column.first.items():
        number = place_of(label, places)
        if number is None:
            near = nearest(label, names)
            raise DataError(
                f"{place}: the label is {label!r}",
                expected="one of the training texts' classes: " + ", ".join(names[:20]),
                hint=f"did you mean {near!r}?" if near else "",
            )
        of_code.append(number)
    return np.array(of_code, np.int32)[np.frombuffer(column.codes, np.int64)]


def _numbers(columns: Mapping[str, _LabelColumn]) -> dict[str, Array]:
    for column in columns.values():
        if column.no_number:
            raise DataError(column.no_number, expected="a finite number", hint="task: classification")
    numbers = {split: np.array(column.numbers, np.float64) for split, column in columns.items()}
    train = numbers["train"]
    merges = merges_in_float32(train, is_whole=bool((np.floor(train) == train).all()))
    return {split: values.astype(np.float64 if merges else np.float32) for split, values in numbers.items()}
