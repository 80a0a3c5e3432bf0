"""Start a dense layer of a model at the least-squares solution for the training split."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dlrun.models.shortcut import zero_sum_basis
from dlrun.training.failures import building_failures
from dlrun.training.setup import TrainingSetup
from dlrun.training.start.values import AT_ONCE, training_values
from dlrun.training.step.feed import encode
from dlrun.training.step.weights import loss_weights

Floats = npt.NDArray[np.float64]

_SMALLEST = 1e-10
"""Directions with a variance below this fraction of the largest are rounding errors, and get the weight 0."""


class NormalEquations:
    """Sums over examples from which the least-squares solution follows, in float64.

    Args:
        width: Number of inputs.
        units: Number of outputs.
    """

    def __init__(self, width: int, units: int) -> None:
        self._products = np.zeros((width + 1, width + 1))
        self._with_target = np.zeros((width + 1, units))

    def add(self, inputs: npt.NDArray[Any], targets: npt.NDArray[Any], weight: npt.NDArray[Any] | None = None) -> None:
        """Add some examples.

        Shape:
            inputs: `(n, width)`. targets: `(n, units)`. weight: `(n,)`.
        """
        # A column of ones gives sums as well, so that the mean can be subtracted at the end.
        joined = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1, dtype=np.float64)
        weighted = joined if weight is None else joined * np.asarray(weight, np.float64)[:, None]
        self._products += weighted.T @ joined
        self._with_target += weighted.T @ targets.astype(np.float64)

    def solve(self, *, l2: float = 0.0, steps: int = 0, bias: bool = True) -> tuple[Floats, Floats]:
        """Return the kernel and the bias. The bias has no penalty.

        Args:
            l2: Weight of the penalty, the sum of the squares of the kernel, beside the mean over examples and outputs.
            steps: Number of rows of a window whose columns get weights that add up to 0; 0 for any weights. Inputs are
                then row after row.
            bias: Whether there is a bias; without it, it is 0.

        Formula:
            W = B (B' (cov(z) + units l2 I) B)^-1 B' cov(z, y), b = mean(y) - W mean(z); B: a basis of the weights

        Shape:
            Returns: `(width, units)` and `(units,)`.
        """
        total = self._products[-1, -1]
        mean, target_mean = self._products[-1, :-1] / total, self._with_target[-1] / total
        if not bias:
            mean, target_mean = np.zeros_like(mean), np.zeros_like(target_mean)
        covariance = self._products[:-1, :-1] / total - np.outer(mean, mean)
        with_target = self._with_target[:-1] / total - np.outer(mean, target_mean)
        if steps == 1:  # the only weight of each column is 0
            return np.zeros_like(with_target), target_mean
        # Inputs are row after row, and each column has the same basis.
        basis = np.kron(zero_sum_basis(steps), np.eye(len(mean) // steps)) if steps else None
        if basis is not None:
            covariance = basis.T @ covariance @ basis
        variances, directions = np.linalg.eigh(covariance)
        directions = directions if basis is None else basis @ directions
        is_real = variances > _SMALLEST * max(variances.max(), 0.0)
        # Keras averages the squared errors over outputs, too, so that each output bears a multiple of the penalty.
        penalized = np.where(is_real, variances + with_target.shape[1] * l2, np.inf)
        kernel: Floats = directions @ ((directions.T @ with_target) / penalized[:, None])
        return kernel, target_mean - mean @ kernel


def start_at_least_squares(setup: TrainingSetup) -> str:
    """Give the layer that the model names, if any, the weights that minimize the squared error of the training split.

    The layer's contribution to the output must be a plain sum, and the target numbers.

    Args:
        setup: The parts of a run whose model has its initial values.

    Returns:
        A sentence about the solution; empty if the model names no layer.
    """
    name = setup.spec.model.solved_layer()
    if not name:
        return ""
    layer = setup.compiled.core.get_layer(name)
    weights = layer.get_weights()
    layer.set_weights([np.zeros_like(each) for each in weights])
    with building_failures():
        equations = _sums(setup, layer)
    is_invariant = setup.spec.model.solves_shift_invariant()
    steps = setup.dataset.features.shape[0] if is_invariant else 0
    solution = equations.solve(l2=_penalty(layer), steps=steps, bias=layer.use_bias)
    layer.set_weights([each.astype(np.float32) for each in solution[: len(weights)]])
    inputs = f"{weights[0].shape[0]:,} inputs" + (" with shift-invariant weights" if is_invariant else "")
    return f"{name} starts at the least-squares solution of {inputs} for the training split"


def _sums(setup: TrainingSetup, layer: keras.layers.Layer) -> NormalEquations:
    """Return the normal equations of the layer, for what the rest of the model leaves of the target."""
    core, split = setup.compiled.core, setup.dataset.splits["train"]
    weights = loss_weights(split, setup.target, None)
    equations = NormalEquations(layer.input.shape[-1], layer.output.shape[-1])
    parts = [slice(start, start + AT_ONCE) for start in range(0, len(split), AT_ONCE)]
    values = training_values(setup, [layer.input, core.outputs[0]])
    for rows in parts:
        inputs, output = values(rows)
        target = encode(tf.constant(np.asarray(split.target)[rows]), setup.target)
        target = tf.tile(target, (1, max(1, len(setup.target.levels))))  # quantiles start at the mean
        equations.add(inputs, (target - output).numpy(), None if weights is None else weights[rows])
    return equations


def _penalty(layer: keras.layers.Layer) -> float:
    regularizer = layer.kernel_regularizer
    return float(regularizer.l2) if isinstance(regularizer, keras.regularizers.L1L2) else 0.0
