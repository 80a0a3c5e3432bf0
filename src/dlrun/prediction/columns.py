"""From what a model gives to the columns that a user reads: names, labels, probabilities, values."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.errors import UsageError
from dlrun.signature import Target

_DIGITS = 6
"""Of a value's spread, as float32 has them."""

Array = npt.NDArray[Any]
Top = int | Literal["all"]
Cells = Sequence[str] | Array
"""One column of some rows: texts, or `(n,)` float32, or float64 where it says so, of which nan is no number."""


@dataclass(frozen=True)
class OutputColumn:
    """One column of the output.

    Args:
        name: Of the column.
        is_text: Whether it holds texts.
        decimals: Digits behind the point that a number in float64 has; None: numbers are float32.
    """

    name: str
    is_text: bool = False
    decimals: int | None = None

    @property
    def is_precise(self) -> bool:
        """Whether its numbers are float64."""
        return self.decimals is not None


class Layout(abc.ABC):
    """Which columns a target has, and how predictions fill them.

    Args:
        columns: In their order, without the examples' names.
    """

    def __init__(self, columns: Sequence[OutputColumn]) -> None:
        self.columns = (*columns,)

    @abc.abstractmethod
    def cells(self, outputs: Array) -> list[Cells]:
        """The cells of each column.

        Shape:
            outputs: `(n, size)` as `Predictor` gives them; `(n,)` reconstruction errors for kind `input`.
        """


class _Classes(Layout):
    """The most probable classes with their probabilities, and every class' probability where that is asked for.

    Args:
        target: The classes.
        top: How many, or all.
        column: What is predicted, where that is not all.
        every: What the classes are called where each has a column of its own; empty: by their names.
    """

    def __init__(self, target: Target, top: Top, column: str = "", every: Sequence[str] = ()) -> None:
        self._names = np.array([*target.output_names, ""], dtype=object)
        self._ranks = 1 if top == "all" else min(top, target.size)
        self._has_all = top == "all"
        ends = ["", *(f"_{rank}" for rank in range(2, self._ranks + 1))]
        label, probability = (column, f"probability_{column}") if column else ("label", "probability")
        columns = [
            made for end in ends for made in (OutputColumn(label + end, is_text=True), OutputColumn(probability + end))
        ]
        columns += [OutputColumn(f"probability_{name}") for name in every or target.output_names if self._has_all]
        super().__init__(columns)

    def cells(self, outputs: Array) -> list[Cells]:
        """A row that is not finite has no label: the last name, which is empty."""
        if self._ranks == 1:
            best = outputs.argmax(axis=1)[:, None]
        else:
            best = np.argsort(-outputs, axis=1, kind="stable")[:, : self._ranks]
        probabilities = np.take_along_axis(outputs, best, axis=1)
        best[~np.isfinite(outputs).all(axis=1)] = -1
        cells: list[Cells] = []
        for rank in range(self._ranks):
            cells += [self._names[best[:, rank]].tolist(), probabilities[:, rank]]
        return [*cells, *(outputs.T if self._has_all else ())]


class _ClassColumns(Layout):
    """For each column its most probable classes, and every class' probability where that is asked for."""

    def __init__(self, target: Target, top: Top) -> None:
        self._parts = target.parts
        # The examples' own names stand in the column `name`, and probabilities in columns called after others.
        own = {"name", *(f"probability_{name}" for name in target.names)}
        taken = not own.isdisjoint(target.names)
        self._layouts = []
        for part in self._parts:
            column = f"predicted_{part.name}" if taken else part.name
            self._layouts.append(_Classes(part.target, top, column, target.class_names[part.places]))
        super().__init__([column for layout in self._layouts for column in layout.columns])

    def cells(self, outputs: Array) -> list[Cells]:
        """The cells of each column's classes."""
        pairs = zip(self._parts, self._layouts, strict=True)
        return [cells for part, layout in pairs for cells in layout.cells(outputs[:, part.places])]


class _Numbers(Layout):
    """A column for each number that the model gives."""

    def cells(self, outputs: Array) -> list[Cells]:
        """The numbers; those in float64 without the digits that the network, in float32, does not know."""
        pairs = zip(self.columns, outputs.reshape(len(outputs), -1).T, strict=True)
        return [values if column.decimals is None else values.round(column.decimals) for column, values in pairs]


def layout_of(target: Target, *, top: Top | None) -> Layout:
    """The columns of a target.

    Args:
        target: What is predicted.
        top: How many of the most probable classes to name, or `all`: every class has a column of its own. None: one.

    Raises:
        UsageError: There are no classes of which to name some.
    """
    if target.kind == "classes":
        return _Classes(target, top or 1)
    if target.kind == "class_columns":
        return _ClassColumns(target, top or 1)
    if top is not None:
        said = {"labels": "yes-or-no labels, all of which are given", "values": "numbers", "input": "its own input"}
        raise UsageError(f"--top {top}: the model predicts {said[target.kind]}", expected="a model of classes")
    if target.kind == "input":
        return _Numbers([OutputColumn("reconstruction_error")])
    names = [f"probability_{name}" if target.kind == "labels" else name for name in target.output_names]
    taken = "name" in names  # the examples' own names stand in the column of that name
    decimals = _decimals(target) if target.needs_float64 else [None] * len(names)
    return _Numbers(
        [
            OutputColumn(f"predicted_{name}" if taken else name, decimals=known)
            for name, known in zip(names, decimals, strict=True)
        ]
    )


def _decimals(target: Target) -> list[int | None]:
    """Digits behind the point of each value that are a small part of its spread."""
    return [_DIGITS - math.floor(math.log10(scale)) for scale in target.scale]
