"""Describe what a training would do: layers, shapes, parameters, memory, steps, and how long they would take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from dlrun.training.setup import TrainingSetup
from dlrun.training.step.feed import epoch_order
from dlrun.training.step.jit import measure_step

_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True)
class LayerPlan:
    """One layer of the model.

    Args:
        name: The layer's name in the model.
        type: The name of its Keras class.
        output_shape: The shape of its output for one example, without the batch axis.
        parameters: The number of its parameters, trainable or not.
        dtype: The dtype that it computes in.
    """

    name: str
    type: str
    output_shape: tuple[int | None, ...]
    parameters: int
    dtype: str


@dataclass(frozen=True)
class TrainingPlan:
    """What a training would consist of.

    Args:
        layers: The layers, in order.
        parameters: The number of parameters of the whole model.
        trainable: The number of parameters that training changes.
        memory: Bytes by purpose: `variables`, `gradients`, `optimizer`, `activations` (an estimate: the outputs of all
            layers for one batch, which the gradient needs), `data` (all splits, on the device).
        steps_per_epoch: The number of steps in one epoch.
        steps: The number of steps of the whole training.
        precision: The dtype that layers compute in.
        seconds: The expected seconds of training on this machine, without its start: a few measured steps times their
            number. Early stopping may end it sooner.
        left_out: Why a column of the data is not used as a feature, by the column's name.
        runs: The number of runs, one for each fold; the plan is that of the first.
        trials: The largest number of runs of a search, for which the plan is that of the config itself; 0 without a
            search, or without such a limit.
    """

    layers: tuple[LayerPlan, ...]
    parameters: int
    trainable: int
    memory: dict[str, int]
    steps_per_epoch: int
    steps: int
    precision: str
    seconds: float
    left_out: Mapping[str, str] = field(default_factory=dict)
    runs: int = 1
    trials: int = 0


def make_plan(setup: TrainingSetup) -> TrainingPlan:
    """Return the plan of a training.

    Args:
        setup: The training setup to describe.
    """
    model, batch_size = setup.compiled.model, setup.spec.training.batch_size
    layers = plan_layers(setup.compiled.core)
    trainable = sum(_size(variable) for variable in model.trainable_variables)
    activations = sum(batch_size * _elements(layer.output_shape) * _BYTES.get(layer.dtype, 4) for layer in layers)
    memory = {
        "variables": 4 * model.count_params(),
        "gradients": 4 * trainable,
        "optimizer": 4 * sum(_size(variable) for variable in model.optimizer.variables),
        "activations": activations,
        "data": sum(
            split.features.nbytes + (0 if split.target is None else split.target.nbytes)
            for split in setup.dataset.splits.values()
        ),
    }
    length, precision = setup.length, setup.compiled.precision.value
    return TrainingPlan(
        layers,
        model.count_params(),
        trainable,
        memory,
        length.steps_per_epoch,
        length.steps,
        precision,
        _expected_seconds(setup),
        setup.dataset.left_out,
    )


def _expected_seconds(setup: TrainingSetup) -> float:
    """Return the seconds of all training steps and of the validation after each epoch.

    Formula:
        steps t (1 + n_validation / (3 n_train)), where t is the measured time of a step. A step computes the gradient,
        too, which takes twice as long as the prediction.
    """
    sizes = {name: len(split) for name, split in setup.dataset.splits.items()}
    order = epoch_order(sizes["train"], seed=setup.spec.seed, epoch=0, shuffle=setup.spec.training.shuffle)
    step = measure_step(setup.choose_steps().steps, order)
    return setup.length.steps * step * (1 + sizes.get("validation", 0) / (3 * sizes["train"]))


def plan_layers(core: keras.Model) -> tuple[LayerPlan, ...]:
    """Return the layers of a model, in order."""
    return tuple(_layer_plan(layer) for layer in core.layers)


def _layer_plan(layer: keras.Layer) -> LayerPlan:
    shape = layer.output.shape[1:] if hasattr(layer, "output") else ()
    return LayerPlan(layer.name, type(layer).__name__, tuple(shape), layer.count_params(), layer.compute_dtype)


def _elements(shape: tuple[int | None, ...]) -> int:
    count = 1
    for size in shape:
        count *= size or 1
    return count


def _size(variable: Any) -> int:
    return _elements(tuple(variable.shape))
