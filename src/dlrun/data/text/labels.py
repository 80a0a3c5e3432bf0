"""Read and check the labels of all texts, and choose the target: classes or numbers."""

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
    """The labels of a split, collected row by row.

    Whether they are classes or numbers is known only after the last row, so both forms are collected in one pass.

    Args:
        codes: Index into `first` for each row; -1 for further labels once there are too many for classes.
        first: Each distinct label, with the place of its first row.
        numbers: The number of each row, as long as all labels are numbers.
        no_number: Message on the first label that is not a number; empty if all are.
    """

    codes: array[int] = field(default_factory=lambda: array("q"))
    first: dict[str, str] = field(default_factory=dict)
    numbers: array[float] = field(default_factory=lambda: array("d"))
    no_number: str = ""
    _index: dict[str, int] = field(default_factory=dict)

    def add(self, named: Named) -> None:
        """Add the label of one row."""
        label = named.row.label or ""
        code = self._index.get(label)
        # One label above the limit is kept, so that `_class_names` can tell that there are too many.
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
        corpora: Texts by split, including `train`.
        task: Task for the labels.
        classes: Classes in the order of their indices; None for the sorted labels of the training texts.
        label: Name of the label column.

    Returns:
        The labels by split: `(texts,)`, int32 class indices, or float32 numbers (float64 if float32 would merge
        different ones); the target; and a note.

    Raises:
        DataError: There are no texts, all have the same label, a label is not a number, or a class is not in the
            training texts.
    """
    columns = {split: _column(corpus) for split, corpus in corpora.items()}
    train = columns["train"]
    if not train.codes:
        raise DataError("there is no text to train on", expected="some rows with a text and a label")
    is_number, why = _is_number(train, task)
    if is_number:
        return (
            _numbers(columns),
            Target("values", 1, encoding="value", names=(label,)),
            f"target: a number, because {why}",
        )
    names = classes or _class_names(train)
    targets = {split: _indices(column, names) for split, column in columns.items()}
    return targets, Target("classes", len(names), names), f"target: {len(names)} classes, because {why}"


def number_of(label: str) -> float | None:
    """Return a label as a finite number; None if it is not one."""
    try:
        number = float(label)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def class_name(label: str) -> str:
    """Return the name of a class. Whole numbers lose their decimal point, so that 1.0 and 1 are the same class."""
    number = number_of(label)
    return canonical(label) if number is None or not number.is_integer() else str(int(number))


def class_places(names: Iterable[str]) -> dict[str, int]:
    """Return the index of each class by its name, and by other spellings that are not names of other classes."""
    places = {name: place for place, name in enumerate(names)}
    for name, place in list(places.items()):
        for each in (canonical(name), *other_spellings(name)):
            places.setdefault(each, place)
    return places


def place_of(label: str, places: Mapping[str, int]) -> int | None:
    """Return the index of a label's class, by exact spelling first, then by value; None if it is unknown."""
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
        return task == "regression", f"`task` is {task}"
    if train.no_number:
        return False, "the labels are names"
    if not all(number_of(name).is_integer() for name in train.first):  # type: ignore[union-attr]  # all are numbers
        return True, "the labels have fractions (task: classification to read them as classes)"
    return False, "the labels are whole numbers (task: regression to read them as numbers)"


def _class_names(train: _LabelColumn) -> tuple[str, ...]:
    if len(train.first) > _MOST_CLASSES:
        raise DataError(
            f"the labels have more than {_MOST_CLASSES:,} different values",
            expected="classes with many examples each",
            hint="set task: regression, or another column as `label`",
        )
    by_number = not train.no_number
    names = {class_name(name) if by_number else canonical(name) for name in train.first}
    if len(names) == 1:
        problem = f"every training text has the label {next(iter(names))!r}"
        raise DataError(problem, expected="at least two classes")
    # By value, because as texts 10 would be before 2.
    return tuple(sorted(names, key=float)) if by_number else tuple(sorted(names))


def _indices(column: _LabelColumn, names: tuple[str, ...]) -> npt.NDArray[np.int32]:
    places = class_places(names)
    # Each distinct label is looked up once; millions of rows then need only array indexing.
    of_code = []
    for label, place in column.first.items():
        number = place_of(label, places)
        if number is None:
            near = nearest(label, names)
            raise DataError(
                f"{place}: the label is {label!r}",
                expected="one of the classes of the training texts: " + ", ".join(names[:20]),
                hint=f"did you mean {near!r}?" if near else "",
            )
        of_code.append(number)
    return np.array(of_code, np.int32)[np.frombuffer(column.codes, np.int64)]


def _numbers(columns: Mapping[str, _LabelColumn]) -> dict[str, Array]:
    for column in columns.values():
        if column.no_number:
            raise DataError(column.no_number, expected="a finite number", hint="or set task: classification")
    numbers = {split: np.array(column.numbers, np.float64) for split, column in columns.items()}
    train = numbers["train"]
    # The training split alone decides, so that all splits have the same data type.
    merges = merges_in_float32(train, is_whole=bool((np.floor(train) == train).all()))
    return {split: values.astype(np.float64 if merges else np.float32) for split, values in numbers.items()}
