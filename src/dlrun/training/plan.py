"""An assembled run in, its layers, shapes, parameters and memory out, without a step of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from dlrun.training.setup import TrainingSetup

_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True)
class LayerPlan:
    """One layer.

    Args:
        name: Its name in the model.
        type: Its Keras class.
        output_shape: Of one example, without the batch axis.
        parameters: Trainable and not.
        dtype: What it computes in.
    """

    name: str
    type: str
    output_shape: tuple[int | None, ...]
    parameters: int
    dtype: str


@dataclass(frozen=True)
class TrainingPlan:
    """What a training would be.

    Args:
        layers: In order.
        parameters: Of the whole model.
        trainable: Those that training changes.
        memory: Bytes by purpose: `variables`, `gradients`, `optimizer`, `activations` (an estimate: what every layer
            gives for one batch, kept for the gradient), `data` (all splits, on the device).
        steps_per_epoch: Steps.
        steps: Steps of the whole training.
        precision: Chosen for it.
        left_out: Why a column of the data is no feature, by name.
    """

    layers: tuple[LayerPlan, ...]
    parameters: int
    trainable: int
    memory: dict[str, int]
    steps_per_epoch: int
    steps: int
    precision: str
    left_out: Mapping[str, str] = field(default_factory=dict)


def make_plan(assembly: TrainingSetup) -> TrainingPlan:
    """Describe what `assembly` would train."""
    model, batch_size = assembly.compiled.model, assembly.spec.training.batch_size
    layers = plan_layers(assembly.compiled.core)
    trainable = sum(_size(variable) for variable in model.trainable_variables)
    activations = sum(batch_size * _elements(layer.output_shape) * _BYTES.get(layer.dtype, 4) for layer in layers)
    memory = {
        "variables": 4 * model.count_params(),
        "gradients": 4 * trainable,
        "optimizer": 4 * sum(_size(variable) for variable in model.optimizer.variables),
        "activations": activations,
        "data": sum(
            split.features.nbytes + (0 if split.target is None else split.target.nbytes)
            for split in assembly.dataset.splits.values()
        ),
    }
    length, precision = assembly.length, assembly.compiled.precision.value
    return TrainingPlan(
        layers,
        model.count_params(),
        trainable,
        memory,
        length.steps_per_epoch,
        length.steps,
        precision,
        assembly.dataset.left_out,
    )


def plan_layers(core: keras.Model) -> tuple[LayerPlan, ...]:
    """The layers of a network, in order."""
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
