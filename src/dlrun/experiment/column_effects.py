"""Measure for the report what the predictions of a run depend on: permutation importance and partial dependence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.scoring.dependence import MOST_POINTS, ColumnGrid, number_grid, partial_dependence
from dlrun.scoring.importances import TURNS, loss_of, permutation_importances

if TYPE_CHECKING:
    from dlrun.data import Split
    from dlrun.signature import Target
    from dlrun.training.predictor import Predictor
    from dlrun.training.setup import TrainingSetup

Array = npt.NDArray[Any]
Columns = Mapping[str, tuple[int, ...]]

_MEASURED_EXAMPLES, _FEWER_EXAMPLES, _FEWEST_TURNS = 2000, 500, 3
"""Examples to measure importances on, or fewer if there is not the time for some shuffles of each column."""
_DEPENDENCE_EXAMPLES, _MOST_COLUMNS, _MOST_OUTPUTS = 200, 6, 5
_MOST_PRODUCTS = 2_500_000_000
"""Upper bound for the multiplications spent on importances: about half a second of one core."""
_PRODUCTS_OF_A_CALL = 2_500_000
"""The multiplications that would take as long as the fixed overhead of one call."""
_DEPENDENCE_PART = 0.4
"""Part of that bound that partial dependence may take in addition."""


def measure_columns(setup: TrainingSetup, part: Split, predictor: Predictor) -> dict[str, Any]:
    """Measure how much the predictions depend on each column of a table, and how on the most important ones.

    Columns are left out if they are so many, or the model is so large, that the report would take long.

    Args:
        setup: The training setup of the run.
        part: Examples of a split.
        predictor: The predictor of the final model.

    Returns:
        The arrays of `StoredPredictions` about importances and partial dependence; empty if there are no columns.
    """
    from dlrun.training.sampling import measured_columns

    columns = measured_columns(setup)
    if not columns or part.target is None or setup.target.kind == "input":
        return {}
    importances = _importances(part, predictor, columns, setup.target)
    if not importances or setup.dataset.features.kind != "vector":
        return importances
    ranked = [list(columns)[place] for place in np.argsort(-importances["importances"], kind="stable")]
    stored = np.asarray(part.features)
    grids = setup.dataset.raw_input().grids_of_stored(stored) or _feature_grids(stored, columns)
    chosen = [grids[name] for name in ranked if name in grids]
    return {**importances, **_dependence(part, predictor, columns, chosen, setup.target)}


def turns_within_budget(columns: int, *, calls: int, positions: int, parameters: int) -> int:
    """Return how many times the values of each column may be permuted.

    The number follows from counts, not from a clock, so that two runs of one spec have the same report.

    Args:
        columns: The number of columns.
        calls: The number of model calls that it takes to predict the examples once.
        positions: The number of examples, or of steps in all histories, that the weights are applied to.
        parameters: The number of parameters of the model.
    """
    return min(TURNS, _MOST_PRODUCTS // max(1, columns * _products(calls, positions, parameters)))


def _products(calls: int, positions: int, parameters: int) -> int:
    """Return the cost of predicting some examples once, in multiplications."""
    return calls * _PRODUCTS_OF_A_CALL + positions * parameters


def _importances(part: Split, predictor: Predictor, columns: Columns, target: Target) -> dict[str, Any]:
    from dlrun.training.sampling import even_sample

    turns = 0
    for most in (_MEASURED_EXAMPLES, _FEWER_EXAMPLES):
        few = part.take(even_sample(len(part), most=most))
        stored, truth = np.asarray(few.features), np.asarray(few.target)
        turns = turns_within_budget(
            len(columns),
            calls=-(-len(stored) // predictor.batch_size),
            positions=math.prod(stored.shape[:-1]),
            parameters=predictor.model.count_params(),
        )
        if turns >= _FEWEST_TURNS:
            break
    if turns < 1:
        return {}
    measure = loss_of(truth, target, weights=few.example_weight)
    found = permutation_importances(predictor, stored, columns, measure=measure, turns=turns)
    by_name = {each.column: (each.mean, each.low, each.high) for each in found}
    numbers = np.array([by_name[column] for column in columns], np.float64)
    return {
        "importances": numbers[:, 0],
        "importance_intervals": numbers[:, 1:],
        "measured": np.array([len(stored), turns]),
        "measure": np.array(measure.name),
    }


def _feature_grids(stored: Array, columns: Columns) -> Mapping[str, ColumnGrid]:
    """Return the grids of the features of a vector, which are all numbers."""
    grids = (number_grid(name, stored[:, places[0]], stored[:, list(places)]) for name, places in columns.items())
    return {grid.name: grid for grid in grids if grid is not None}


def _dependence(
    part: Split, predictor: Predictor, columns: Columns, grids: Sequence[ColumnGrid], target: Target
) -> dict[str, Any]:
    from dlrun.training.sampling import even_sample

    stored = np.asarray(part.take(even_sample(len(part), most=_DEPENDENCE_EXAMPLES)).features)
    rows = len(stored) * MOST_POINTS
    each = _products(-(-rows // predictor.batch_size), rows, predictor.model.count_params())
    grids = grids[: min(_MOST_COLUMNS, int(_DEPENDENCE_PART * _MOST_PRODUCTS) // max(1, each))]
    if not grids:
        return {}
    usual = predictor(stored)
    outputs, names = _shown_outputs(usual, target)
    means = []
    for grid in grids:
        found = partial_dependence(predictor, stored, columns[grid.name], grid.cells)
        # Several values may have different units, so each is shown in its own spread.
        means.append((found - usual.mean(axis=0)) / _spread(usual) if _is_relative(target) else found)
    most = max(len(grid.points) for grid in grids)
    return {
        "dependence": np.stack([_padded(mean[:, outputs], most) for mean in means]),
        "dependence_points": np.stack([_padded(grid.points, most) for grid in grids]),
        "dependence_names": np.array(
            [[*grid.categories, *[""] * (most - len(grid.categories))] for grid in grids], np.str_
        ),
        "dependence_values": np.stack([_padded(grid.values, max(len(g.values) for g in grids)) for grid in grids]),
        "dependence_columns": np.array([grid.name for grid in grids], np.str_),
        "dependence_outputs": np.array(names, np.str_),
    }


def _shown_outputs(usual: Array, target: Target) -> tuple[list[int], list[str]]:
    """Return the places and the names of the predictions to show: the positive of two classes, or the most probable."""
    names = target.output_names
    if target.kind == "classes" and target.size == 2:
        return [1], [f"probability of {names[1]}"]
    if target.kind == "values":
        places = list(range(min(target.size, _MOST_OUTPUTS)))
        suffix = ", in standard deviations from its mean" if _is_relative(target) else ""
        return places, [f"{names[place]}{suffix}" for place in places]
    ranked = np.argsort(-usual.mean(axis=0), kind="stable")[:_MOST_OUTPUTS].tolist()
    return ranked, [f"probability of {names[place]}" for place in ranked]


def _is_relative(target: Target) -> bool:
    return target.kind == "values" and target.size > 1


def _spread(usual: Array) -> Array:
    return np.asarray(np.maximum(usual.std(axis=0), np.finfo(np.float32).tiny))


def _padded(values: Array, length: int) -> Array:
    """Return values with nan behind the last, so that columns with fewer points fit into one array."""
    padded = np.full((length, *values.shape[1:]), np.nan)
    padded[: len(values)] = values
    return padded
