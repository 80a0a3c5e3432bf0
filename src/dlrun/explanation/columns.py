"""Measure how much the predictions of a run depend on each column of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.raw_input import Examples
from dlrun.errors import DataError
from dlrun.explanation.outputs import chosen_output
from dlrun.explanation.rows import COMPARED_ROWS
from dlrun.scoring.importances import Importance, change_of, loss_of, permutation_importances

if TYPE_CHECKING:
    from dlrun.training.trained import Trained

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ColumnImportances:
    """The importance of columns for the predictions.

    Args:
        importances: Importance of each column, most important first.
        measure: Quantity that grows when the values of a column are shuffled; of an autoencoder, its error.
        examples: Number of examples.
        checkpoint: Name of the explained checkpoint.
        split: The split with the examples; empty for those of a file.
        method: `permutation` over all examples, `replacement` in a single one, or `reconstruction`: what each column
            adds to the error of an autoencoder.
    """

    importances: tuple[Importance, ...]
    measure: str
    examples: int
    checkpoint: str
    method: Literal["permutation", "replacement", "reconstruction"] = "permutation"
    split: str = ""


def columns_of_many(
    trained: Trained, examples: Examples, output: int | None, *, weights: Array | None = None
) -> ColumnImportances:
    """Return how much shuffling the values of each column changes the loss, or the predictions of rows without labels.

    Args:
        trained: The trained run.
        examples: The rows.
        output: Index of the output to explain; None for all.
        weights: Weights of the rows; None for equal ones.

    Raises:
        DataError: There is no row.
    """
    if not len(examples):
        raise DataError("there is no example to explain", expected="at least one row")
    predictor, interface = trained.predictor(), trained.interface
    if examples.target is not None:
        measure = loss_of(examples.target, interface.target, output, weights=weights)
    else:
        measure = change_of(predictor(examples.stored), output)
    columns = interface.raw.columns_of_stored() or _number_features(examples.stored.shape[-1])
    importances = permutation_importances(predictor, examples.stored, columns, measure=measure)
    return ColumnImportances(importances, measure.name, len(examples), trained.checkpoint)


def columns_of_error(trained: Trained, examples: Examples, others: Array) -> ColumnImportances:
    """Return how much the values of each column add to the error of an autoencoder: what makes rows unusual.

    The error of the column's own reconstruction would not show it: one unusual value spoils the reconstruction of all.

    Args:
        trained: The trained run.
        examples: The rows to explain.
        others: Rows of the training split to compare them with.

    Formula:
        the mean over the examples and over rows r of the training split of
        error(example) - error(example with the value of r in the column)
    """
    if not len(examples):
        raise DataError("there is no example to explain", expected="at least one row")
    predictor, interface, stored = trained.predictor(), trained.interface, examples.stored
    error, turns = predictor.reconstruction_errors(stored), max(2, COMPARED_ROWS // len(stored))
    # The mean is over all pairs: few examples need many rows each, for many examples two are enough.
    chosen = np.random.default_rng(0).integers(len(others), size=len(stored) * turns)
    found = []
    for name, places in (interface.raw.columns_of_stored() or _number_features(stored.shape[-1])).items():
        changed = np.repeat(stored, turns, axis=0)
        changed[..., list(places)] = others[chosen][..., list(places)]
        added = np.repeat(error, turns) - predictor.reconstruction_errors(changed)
        found.append(Importance(name, float(added.mean()), float(added.std())))
    ranked = tuple(sorted(found, key=lambda each: -each.mean))
    return ColumnImportances(ranked, "reconstruction error", len(examples), trained.checkpoint, "reconstruction")


def columns_of_one(trained: Trained, example: Examples, output: int | None, others: Array) -> ColumnImportances:
    """Return how much the value of each column raises the prediction for one row, compared with other rows.

    Args:
        trained: The trained run.
        example: The row to explain.
        output: Index of the output to explain; None for the predicted one.
        others: Rows of the training split to compare it with.

    Formula:
        f(row) - mean over rows r of the training split of f(row with the value of r in the column)
    """
    predictor, interface = trained.predictor(), trained.interface
    number, label, value = chosen_output(predictor(example.stored)[0], output, interface.target)
    columns = interface.raw.columns_of_stored() or _number_features(example.stored.shape[-1])
    found = []
    for name, places in columns.items():
        changed = np.repeat(example.stored, len(others), axis=0)
        changed[..., list(places)] = others[..., list(places)]
        outputs = predictor(changed)[:, number]
        found.append(Importance(name, value - float(outputs.mean()), float(outputs.std())))
    ranked = sorted(found, key=lambda each: -abs(each.mean))
    name = label if interface.target.kind == "values" else f"probability of {label}"
    return ColumnImportances(tuple(ranked), name, 1, trained.checkpoint, "replacement")


def _number_features(width: int) -> Mapping[str, tuple[int, ...]]:
    return {f"feature {place}": (place,) for place in range(width)}
