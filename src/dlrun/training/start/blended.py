"""Fit the linear model that is blended with a network, to the training split and before the first step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.signature import Target
from dlrun.training.failures import building_failures
from dlrun.training.setup import TrainingSetup
from dlrun.training.start.softmax_regression import LinearFit, fit_classes
from dlrun.training.start.values import AT_ONCE, training_values
from dlrun.training.step.feed import class_weights
from dlrun.training.step.weights import loss_weights

_MOST_EXAMPLES = 20_000
"""A larger split is sampled evenly."""
_MOST_SHARE = 0.7
"""The share of a linear model that explains everything. Measured on small tables, as docs/defaults.md tells."""


def fit_blended(setup: TrainingSetup) -> str:
    """Fit the linear model that the model names, if any, and weigh it by what it explains.

    Args:
        setup: The parts of a run whose model has its initial values.

    Returns:
        A sentence about the linear model; empty if the model names none.

    Formula:
        share = 0.7 sqrt(R2), with McFadden's R2 in cross-validation within the training split
    """
    names = setup.spec.model.blended_layers()
    if names is None:
        return ""
    linear, blend = (setup.compiled.core.get_layer(name) for name in names)
    with building_failures():
        fits = _fits(setup, linear)
    linear.set_weights([np.hstack([getattr(fit, part) for fit in fits]) for part in ("kernel", "bias")])
    shares = [_MOST_SHARE * fit.explained**0.5 for fit in fits]
    blend.set_weights([np.repeat(shares, [len(fit.bias) for fit in fits]).astype(np.float32)])
    penalty, explained = (_range([getattr(fit, part) for fit in fits]) for part in ("penalty", "explained"))
    return (
        f"a linear model of {len(fits[0].kernel):,} inputs has the weight {_range(shares)} in the prediction: with the "
        f"L2 penalty {penalty} it explains {explained} of the log loss in cross-validation within the training split"
    )


def _fits(setup: TrainingSetup, linear: Any) -> list[LinearFit]:
    """Return the fit of each choice that the model makes."""
    split, target = setup.dataset.splits["train"], setup.target
    rows = np.linspace(0, len(split) - 1, min(len(split), _MOST_EXAMPLES)).astype(np.int64)
    values = training_values(setup, [linear.input])
    inputs = np.concatenate([values(rows[start : start + AT_ONCE])[0] for start in range(0, len(rows), AT_ONCE)])
    weights = loss_weights(split, target, class_weights(split, target, setup.spec.training))
    of_rows = None if weights is None else weights[rows]
    fits = []
    for classes, count in _choices(np.asarray(split.target)[rows], target):
        fit = fit_classes(inputs, classes, count, of_rows)
        fits.append(fit.of_odds() if target.kind == "labels" or target.units == 1 else fit)
    return fits


def _choices(truth: npt.NDArray[Any], target: Target) -> Iterator[tuple[npt.NDArray[np.int64], int]]:
    """Yield the classes of each choice that a model makes, and their number: each class column, or each label."""
    if target.kind == "classes":
        yield truth.reshape(-1).astype(np.int64), target.size
    elif target.kind == "class_columns":
        for number, part in enumerate(target.parts):
            yield truth[:, number].astype(np.int64), part.target.size
    else:
        for column in truth.reshape(len(truth), -1).T:
            yield (column > 0).astype(np.int64), 2


def _range(values: Sequence[float]) -> str:
    """Return a number, or the smallest and the largest of several."""
    low, high = (f"{each:.3g}" for each in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"
