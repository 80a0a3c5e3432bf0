"""Turn the output of a model into the columns of a prediction: labels, probabilities and values."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.errors import UsageError
from dlrun.scoring.deciding import decide
from dlrun.signature import Target

_DIGITS = 6
"""Significant digits relative to the spread of a value, as in float32."""

Array = npt.NDArray[Any]
Top = int | Literal["all"]
Cells = Sequence[str] | Array
"""The cells of a column for some rows: texts, or numbers `(n,)` in float32 or float64, with nan for missing."""


@dataclass(frozen=True)
class OutputColumn:
    """A column of the output.

    Args:
        name: Name of the column.
        is_text: Whether it contains texts.
        decimals: Number of decimals of float64 numbers; None for float32 numbers.
    """

    name: str
    is_text: bool = False
    decimals: int | None = None

    @property
    def is_precise(self) -> bool:
        """Whether its numbers are float64."""
        return self.decimals is not None


class Layout(abc.ABC):
    """The columns for a target, and how to fill them from predictions.

    Args:
        columns: Columns in order, without the column with the names of the examples.
    """

    def __init__(self, columns: Sequence[OutputColumn]) -> None:
        self.columns = (*columns,)

    @abc.abstractmethod
    def cells(self, outputs: Array) -> list[Cells]:
        """Return the cells of each column.

        Shape:
            outputs: `(n, size)` from `Predictor`; reconstruction errors `(n,)` for kind `input`; shares of pixels
                `(n, size)` for kind `mask`.
        """


class _Classes(Layout):
    """The most probable classes with their probabilities, and optionally the probability of every class.

    Args:
        target: Target of the predictions.
        top: Number of classes to name, or `all` for the probability of every class.
        column: Name of the class column; empty if the target is a single class.
        every: Names of the columns of all classes; empty for the names of the classes.
    """

    def __init__(self, target: Target, top: Top, column: str = "", every: Sequence[str] = ()) -> None:
        self._target = target
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
        """Return the cells. A row with non-finite outputs gets the last name, which is empty."""
        best = decide(outputs, self._target)[:, None]
        if self._ranks > 1:
            # The chosen class first, then the others by their probability; of equal ones the first, as in argmax.
            order = np.where(np.arange(outputs.shape[1]) == best, -np.inf, -outputs)
            best = np.argsort(order, axis=1, kind="stable")[:, : self._ranks]
        probabilities = np.take_along_axis(outputs, best, axis=1)
        # Only after the probabilities are looked up, because -1 is the place of the empty name, not of a class.
        best[~np.isfinite(outputs).all(axis=1)] = -1
        cells: list[Cells] = []
        for rank in range(self._ranks):
            cells += [self._names[best[:, rank]].tolist(), probabilities[:, rank]]
        return [*cells, *(outputs.T if self._has_all else ())]


class _ClassColumns(Layout):
    """The most probable classes of each class column, and optionally the probability of every class."""

    def __init__(self, target: Target, top: Top) -> None:
        self._parts = target.parts
        # Avoid clashes with the column `name` of the examples and with the columns of probabilities.
        own = {"name", *(f"probability_{name}" for name in target.names)}
        taken = not own.isdisjoint(target.names)
        self._layouts = []
        for part in self._parts:
            column = f"predicted_{part.name}" if taken else part.name
            self._layouts.append(_Classes(part.target, top, column, target.class_names[part.places]))
        super().__init__([column for layout in self._layouts for column in layout.columns])

    def cells(self, outputs: Array) -> list[Cells]:
        """Return the cells of all class columns."""
        pairs = zip(self._parts, self._layouts, strict=True)
        return [cells for part, layout in pairs for cells in layout.cells(outputs[:, part.places])]


class _LabelLayout(Layout):
    """The probability of each label and, if thresholds were chosen, whether it is predicted: `yes` or `no`."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._has_decisions = target.decision is not None and bool(target.decision.thresholds)
        names = [f"probability_{name}" for name in target.output_names]
        # A label may have the name of a probability, or of the column with the names of the examples.
        prefix = "" if {"name", *names}.isdisjoint(target.output_names) else "predicted_"
        chosen = [OutputColumn(f"{prefix}{name}", is_text=True) for name in target.output_names if self._has_decisions]
        super().__init__([*chosen, *map(OutputColumn, names)])

    def cells(self, outputs: Array) -> list[Cells]:
        """Return the cells. A row with non-finite outputs has no prediction."""
        if not self._has_decisions:
            return [*outputs.T]
        chosen = np.where(decide(outputs, self._target), "yes", "no").astype(object)
        chosen[~np.isfinite(outputs).all(axis=1)] = ""
        return [*(column.tolist() for column in chosen.T), *outputs.T]


class _Numbers(Layout):
    """A column for each number of the output."""

    def cells(self, outputs: Array) -> list[Cells]:
        """Return the numbers. Those in float64 are rounded to the digits that a float32 network can know."""
        pairs = zip(self.columns, outputs.reshape(len(outputs), -1).T, strict=True)
        return [values if column.decimals is None else values.round(column.decimals) for column, values in pairs]


def layout_of(target: Target, *, top: Top | None) -> Layout:
    """Return the columns for a target.

    Args:
        target: Target of the predictions.
        top: Number of most probable classes to name, or `all` for a column for each class. None for one.

    Raises:
        UsageError: The target has no classes to choose from.
    """
    if target.kind == "classes":
        return _Classes(target, top or 1)
    if target.kind == "class_columns":
        return _ClassColumns(target, top or 1)
    if top is not None:
        predicted = {
            "labels": "yes-or-no labels, which are all included",
            "values": "numbers",
            "input": "its own input",
            "mask": "masks",
        }
        raise UsageError(
            f"--top {top}: the model predicts {predicted[target.kind]}", expected="a model that predicts classes"
        )
    if target.kind == "input":
        return _Numbers([OutputColumn("reconstruction_error")])
    if target.kind == "mask":
        return _Numbers([OutputColumn(f"share_{name}") for name in target.output_names])
    if target.kind == "labels":
        return _LabelLayout(target)
    names = target.output_names
    taken = "name" in names  # avoid a clash with the column of the names of the examples
    decimals = _decimals(target) if target.needs_float64 else [None] * len(names)
    return _Numbers(
        [
            OutputColumn(f"predicted_{name}" if taken else name, decimals=known)
            for name, known in zip(names, decimals, strict=True)
        ]
    )


def _decimals(target: Target) -> list[int | None]:
    """Return the number of decimals for each value, relative to its spread."""
    return [_DIGITS - math.floor(math.log10(scale)) for scale in target.scale]
