"""Find small whole numbers that are codes rather than amounts, by how well they explain the target on held-out rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.columns import ColumnSurvey, Plan, column_places
from dlrun.data.dataset import Dataset
from dlrun.data.table.input import TableInput

Array = npt.NDArray[np.float64]

_FEWEST, _MOST = 3, 30
"""Numbers of distinct values that a code may have. Two values are the same as a number and as a category."""

_ROWS_OF_A_VALUE = 5
_DEGREE = 3
_SHRINKAGE = 5.0
_GAIN, _ERRORS = 0.01, 3.0
"""The part of the variance, and the standard errors, by which categories have to be better."""


@dataclass(frozen=True)
class CodedNumbers:
    """Columns of small whole numbers.

    Args:
        categories: Reasons to read columns as categories, by name.
        others: Columns that stay numbers, though they could be codes.
    """

    categories: Mapping[str, str]
    others: tuple[str, ...] = ()

    def messages(self) -> Iterator[str]:
        """Yield a message for the user about the choice."""
        for name, why in self.categories.items():
            yield f"categorical: {name}, {why}"


def code_candidates(plan: Plan, surveys: Mapping[str, ColumnSurvey]) -> tuple[str, ...]:
    """Return the numeric columns whose few whole numbers may be codes."""
    return tuple(column.name for column in plan.columns if column.kind == "numeric" and _is_small(surveys[column.name]))


def _is_small(survey: ColumnSurvey) -> bool:
    few = not survey.is_many and _FEWEST <= len(survey.counts) <= _MOST
    return few and survey.is_whole and survey.known >= _ROWS_OF_A_VALUE * len(survey.counts)


def find_codes(dataset: Dataset, candidates: Sequence[str]) -> CodedNumbers:
    """Decide which columns are codes.

    Each column alone predicts the target of the validation rows twice: by a cubic polynomial of its numbers, and by the
    mean of each of its values, both fitted on the training rows. Amounts and ranks are about equally good in both;
    codes, whose order means nothing, are better as categories. Rows of the test split are not looked at.

    Args:
        dataset: The table, loaded with a validation split.
        candidates: Names of columns to decide about.
    """
    if "validation" not in dataset.splits or not isinstance(dataset.raw, TableInput):
        return CodedNumbers({}, tuple(candidates))
    train, held_out = dataset.splits["train"], dataset.splits["validation"]
    if train.target is None or held_out.target is None or dataset.target is None:
        return CodedNumbers({}, tuple(candidates))
    is_classes = dataset.target.kind in ("classes", "class_columns")
    truth, truth_later = _responses(train.target, held_out.target, is_classes=is_classes)
    places = column_places(dataset.raw.columns)
    categories: dict[str, str] = {}
    for name in candidates:
        values, later = (split.features[:, places[name][0]].astype(np.float64) for split in (train, held_out))
        curve = np.square(_curve(values, truth, later) - truth_later).sum(axis=1)
        groups = np.square(_group_means(values, truth, later) - truth_later).sum(axis=1)
        gain, total = curve - groups, np.square(truth_later).sum(axis=1).mean()
        error = gain.std() / np.sqrt(len(gain))
        if gain.mean() > max(_GAIN * total, _ERRORS * error):
            parts = [100 * (1 - each.mean() / total) for each in (groups, curve)]
            categories[name] = (
                f"whose values explain {parts[0]:.0f} % of the target's variance on validation rows as categories, and "
                f"{max(0.0, parts[1]):.0f} % as numbers"
            )
    return CodedNumbers(categories, tuple(name for name in candidates if name not in categories))


def _responses(target: npt.NDArray[Any], later: npt.NDArray[Any], *, is_classes: bool) -> tuple[Array, Array]:
    """Return targets as centered numbers: one column for each value, or for each class of each target column.

    Shape:
        Returns: `(training rows, responses)` and `(held-out rows, responses)`.
    """
    flat, flat_later = (each.reshape(len(each), -1).astype(np.float64) for each in (target, later))
    if is_classes:
        classes = [np.unique(column) for column in flat.T]
        flat, flat_later = (
            np.concatenate([column[:, None] == known for column, known in zip(each.T, classes, strict=True)], axis=1)
            .astype(np.float64)
            for each in (flat, flat_later)
        )  # fmt: skip
    mean, spread = flat.mean(axis=0), flat.std(axis=0)
    scale = np.ones_like(spread) if is_classes else np.where(spread > 0, spread, 1.0)
    return (flat - mean) / scale, (flat_later - mean) / scale


def _curve(values: Array, truth: Array, later: Array) -> Array:
    """Return what a cubic polynomial of the numbers predicts."""
    center, spread = values.mean(), values.std() or 1.0
    degree = min(_DEGREE, len(np.unique(values)) - 1)
    powers, powers_later = (np.vander((each - center) / spread, degree + 1) for each in (values, later))
    weights, *_ = np.linalg.lstsq(powers, truth, rcond=None)
    return np.asarray(powers_later @ weights)


def _group_means(values: Array, truth: Array, later: Array) -> Array:
    """Return the mean of each value's training rows, shrunk towards 0, the mean of all; 0 for a new value."""
    known, groups = np.unique(values, return_inverse=True)
    sums = np.zeros((len(known), truth.shape[1]))
    np.add.at(sums, groups, truth)
    means = sums / (np.bincount(groups)[:, None] + _SHRINKAGE)
    nearest = np.searchsorted(known, later).clip(max=len(known) - 1)
    return np.where((known[nearest] == later)[:, None], means[nearest], 0.0)
