"""Fit logistic and softmax regression with the L2 penalty that cross-validation chooses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FOLDS, _LEAST_EXAMPLES = 5, 20
PENALTIES = tuple(float(10 ** (exponent / 2)) for exponent in range(6, -3, -1))
"""Penalties to choose from, the strongest first, as multiples of the mean variance of the inputs."""

_ITERATIONS, _MEMORY, _TOLERANCE = 300, 10, 1e-5
_BIAS_PENALTY = 1e-2
"""Keeps the bias of a class without examples finite."""
_SUFFICIENT, _SHORTEST = 1e-4, 1e-6
_LEAST_PROBABILITY = 1e-7
_TINY, _CONSTANT = float(np.finfo(np.float64).tiny), 1e-9
_WORSE = 1.2
"""The factor above the smallest loss from which weaker penalties are not tried any more."""


@dataclass(frozen=True)
class LinearFit:
    """A fitted linear model.

    Args:
        kernel: Weights, `(width, outputs)`.
        bias: Bias of each output, `(outputs,)`.
        penalty: The penalty that was chosen.
        explained: The part of the log loss that it explains on examples outside of the fit, at least 0.

    Formula:
        explained = 1 - log loss of the model / log loss of the frequencies of the classes (McFadden's R2)
    """

    kernel: Floats
    bias: Floats
    penalty: float
    explained: float = 0.0

    def of_odds(self) -> LinearFit:
        """Return the fit of the log odds of the second of two classes."""
        kernel, bias = self.kernel[:, 1:] - self.kernel[:, :1], self.bias[1:] - self.bias[:1]
        return replace(self, kernel=kernel, bias=bias)


def fit_classes(
    inputs: npt.NDArray[Any], classes: npt.NDArray[Any], count: int, weight: npt.NDArray[Any] | None = None
) -> LinearFit:
    """Fit softmax regression, which for two classes is logistic regression.

    Args:
        inputs: One row for each example.
        classes: Index of the class of each example.
        count: Number of classes.
        weight: Weight of each example; None for equal weights.

    Formula:
        -sum_i w_i log softmax(W x_i + b)[y_i] + penalty / 2 |W|^2

    Shape:
        inputs: `(n, width)`. classes, weight: `(n,)`.
    """
    rows, scale = _Rows.of(inputs, np.eye(count)[classes], weight)
    # A fixed random order, because neighbouring examples are often alike. Folds take turns within each class, so that a
    # class with few examples is missing in none if possible.
    shuffled = np.random.default_rng(0).permutation(len(classes))
    order = shuffled[np.argsort(classes[shuffled], kind="stable")]
    penalty, explained = _choose(rows, order) if len(order) >= _LEAST_EXAMPLES else (PENALTIES[0], 0.0)
    fit = _solve(_Centered(rows), penalty, None)
    return replace(fit, kernel=fit.kernel / scale[:, None], explained=explained)


@dataclass(frozen=True)
class _Rows:
    """Examples to fit.

    Shape:
        inputs: `(n, width)`. truth: `(n, outputs)`; for classes, one-hot. weight: `(n,)`, 1 on average.
    """

    inputs: Floats
    truth: Floats
    weight: Floats

    @classmethod
    def of(cls, inputs: npt.NDArray[Any], truth: Floats, weight: npt.NDArray[Any] | None) -> tuple[_Rows, Floats]:
        """Return the examples with numbers of variance 1, and the scale of each input.

        Marks of 0 and 1 stay as they are: those of a rare category would get large, and its few examples would count
        too much.
        """
        each = np.asarray(inputs, np.float64)
        deviation, is_mark = each.std(axis=0), ((each == 0) | (each == 1)).all(axis=0)
        scale = np.where(is_mark | (deviation <= _CONSTANT * np.abs(each).max(axis=0, initial=0.0)), 1.0, deviation)
        given = np.ones(len(each)) if weight is None else np.asarray(weight, np.float64)
        return cls(each / scale, truth, given / max(given.mean(), _TINY)), scale

    def take(self, places: npt.NDArray[np.int64]) -> _Rows:
        return _Rows(self.inputs[places], self.truth[places], self.weight[places])


class _Centered:
    """Examples with inputs of mean 0, and the directions of their covariance, which serve every penalty."""

    def __init__(self, rows: _Rows) -> None:
        self.rows, total = rows, rows.weight.sum()
        self.mean = rows.weight @ rows.inputs / total
        self.inputs = rows.inputs - self.mean
        products = (self.inputs * rows.weight[:, None]).T @ self.inputs
        variances, self.directions = np.linalg.eigh(products)
        self.variances = np.maximum(variances, 0.0)
        self.total, self.unit = total, max(float(self.variances.mean()) / total, _TINY)

    def fit(self, kernel: Floats, bias: Floats, penalty: float) -> LinearFit:
        """Return a fit to the centred inputs as one to the inputs."""
        return LinearFit(kernel, bias - self.mean @ kernel, penalty)


def _choose(rows: _Rows, order: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return the penalty with the smallest loss on examples that were left out of the fit, and what that explains."""
    parts = []
    for fold in range(FOLDS):
        is_held_out = np.arange(len(order)) % FOLDS == fold
        parts.append((_Centered(rows.take(order[~is_held_out])), rows.take(order[is_held_out])))
    chosen, least = PENALTIES[0], np.inf
    fits: list[LinearFit | None] = [None] * FOLDS
    for penalty in PENALTIES:
        # Each fit starts at the one with the penalty before.
        fits = [_solve(rest, penalty, fit) for (rest, _), fit in zip(parts, fits, strict=True)]
        total = sum(_loss(fit, held_out) for fit, (_, held_out) in zip(fits, parts, strict=True) if fit is not None)
        if total < least:
            chosen, least = penalty, total
        elif total > _WORSE * least:
            break
    frequency = np.maximum(rows.weight @ rows.truth / rows.weight.sum(), _LEAST_PROBABILITY)
    guessed = float(-(rows.weight @ (rows.truth @ np.log(frequency))))
    return chosen, max(0.0, 1 - least / guessed) if guessed > 0 else 0.0


def _loss(fit: LinearFit, rows: _Rows) -> float:
    """Return the sum of the log losses of examples."""
    picked = (np.exp(_log_softmax(rows.inputs @ fit.kernel + fit.bias)) * rows.truth).sum(axis=1)
    return float(-(rows.weight @ np.log(np.maximum(picked, _LEAST_PROBABILITY))))


def _log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _solve(rows: _Centered, penalty: float, near: LinearFit | None) -> LinearFit:
    """Minimize the penalized log loss by L-BFGS, which starts from a bound of the curvature instead of a unit matrix.

    Reference:
        Böhning, 1992, "Multinomial logistic regression algorithm"; Nocedal and Wright, "Numerical Optimization", 7.2
    """
    truth, weight, strength = rows.rows.truth, rows.rows.weight[:, None], penalty * rows.unit
    outputs = truth.shape[1]
    bound = 0.5 * (1 - 1 / outputs)

    def loss(point: Floats) -> tuple[float, Floats]:
        kernel, bias = point[:-1], point[-1]
        logs = _log_softmax(rows.inputs @ kernel + bias)
        wrong = (np.exp(logs) - truth) * weight
        value = -(logs * truth * weight).sum() + strength / 2 * np.square(kernel).sum()
        value += _BIAS_PENALTY / 2 * np.square(bias).sum()
        slope = np.vstack([rows.inputs.T @ wrong + strength * kernel, wrong.sum(axis=0) + _BIAS_PENALTY * bias])
        return float(value), slope

    def precondition(slope: Floats) -> Floats:
        kernel = (rows.directions.T @ slope[:-1]) / (bound * rows.variances + strength)[:, None]
        return np.vstack([rows.directions @ kernel, slope[-1] / (bound * rows.total + _BIAS_PENALTY)])

    start = np.zeros((rows.inputs.shape[1] + 1, outputs))
    if near is not None:
        start = np.vstack([near.kernel, near.bias + rows.mean @ near.kernel])
    found = _minimize(loss, precondition, start)
    return rows.fit(found[:-1], found[-1], penalty)


def _minimize(
    loss: Callable[[Floats], tuple[float, Floats]], precondition: Callable[[Floats], Floats], point: Floats
) -> Floats:
    """Return where a convex function is smallest."""
    value, slope = loss(point)
    steps: deque[tuple[Floats, Floats]] = deque(maxlen=_MEMORY)
    for _ in range(_ITERATIONS):
        direction = -_newton_like(slope, steps, precondition)
        downhill, size = float((slope * direction).sum()), 1.0
        while True:
            new = point + size * direction
            new_value, new_slope = loss(new)
            if new_value <= value + _SUFFICIENT * size * downhill or size < _SHORTEST:
                break
            size /= 2
        if new_value > value:
            break
        if ((new - point) * (new_slope - slope)).sum() > 0:
            steps.append((new - point, new_slope - slope))
        is_flat = value - new_value <= _TOLERANCE * max(1.0, abs(value))
        point, value, slope = new, new_value, new_slope
        if is_flat:
            break
    return point


def _newton_like(
    slope: Floats, steps: deque[tuple[Floats, Floats]], precondition: Callable[[Floats], Floats]
) -> Floats:
    """Return the slope times an estimate of the inverse curvature from the last steps."""
    rest, shares = slope, []
    for moved, turned in reversed(steps):
        share = (moved * rest).sum() / (moved * turned).sum()
        shares.append(share)
        rest = rest - share * turned
    found = precondition(rest)
    for (moved, turned), share in zip(steps, reversed(shares), strict=True):
        found = found + moved * (share - (turned * found).sum() / (moved * turned).sum())
    return found
