"""A batch cut into parts that the cores of a CPU compute at the same time, each part on one core from end to end.

TensorFlow's own way, all cores inside each operation, leaves cores waiting for each other after every operation: on two
cores a step of a small convolutional network is faster with one of them. Parts meet only where their outputs are joined
for the loss, so loss, gradients and metrics are those of the whole batch, up to the order of a sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from dlrun.errors import UsageError
from dlrun.runs.record import Choice
from dlrun.spec.types import Spec

_SMALLEST_PART = 8
"""Examples in the smallest part that is worth a core of its own."""


def choose_shares(spec: Spec, *, on_gpu: bool, cores: int, alone: bool = True) -> Choice:
    """Pick into how many parts a CPU cuts each batch."""
    wanted = spec.training.cpu_shares
    if not alone:
        if wanted not in ("auto", 1):
            raise UsageError(
                f"training.cpu_shares is {wanted}, and several devices share each batch",
                expected="one way of cutting batches",
                hint="--set training.cpu_shares=auto",
            )
        return Choice(value="1", reason="several devices have their parts of each batch already")
    if wanted != "auto":
        return Choice(value=str(wanted), reason="asked for")
    if on_gpu:
        return Choice(value="1", reason="a GPU takes a batch as a whole")
    if spec.training.jit == "on":
        return Choice(value="1", reason="XLA takes a batch as a whole")
    if not spec.model.gains_from_shares():
        return Choice(value="1", reason=f"{spec.model.type_name}, as it is here, gains nothing from parts")
    shares = max(1, min(cores, spec.training.batch_size // _SMALLEST_PART))
    if shares == 1:
        return Choice(value="1", reason="one core" if cores == 1 else "the batch is small")
    return Choice(value=str(shares), reason=f"parts of a batch on {cores} cores at the same time")


class SharedModel(keras.Model):  # type: ignore[misc, unused-ignore]  # Keras has no types
    """Applies `core` to parts of its batch and joins what they give.

    Args:
        core: A model that computes every example by itself.
        shares: Number of parts, which are equal up to one example.

    Shape:
        As `core`. A batch has at least `shares` examples, except inside `whole_batches`.
    """

    def __init__(self, core: keras.Model, shares: int) -> None:
        super().__init__(name=core.name)
        self.core = core
        self.shares = shares

    def call(self, inputs: Any, training: bool | None = None) -> Any:  # noqa: FBT001, Keras calls it so
        """Apply `core` to each part."""
        if self.shares == 1:
            return self.core(inputs, training=training)
        size = tf.shape(inputs)[0]
        sizes = tf.stack([(size + index) // self.shares for index in range(self.shares)])
        parts = tf.split(inputs, sizes)
        return tf.concat([self.core(part, training=training) for part in parts], axis=0)


def shared(core: keras.Model, shares: Choice, *, is_asked_for: bool) -> tuple[keras.Model, Choice]:
    """The model that trains `core` in so many parts, and in how many it does: itself for one.

    Args:
        core: Built.
        shares: As `choose_shares` has picked it, which knows the spec of the model but not all of its layers.
        is_asked_for: Whether the spec names the number; what it is not possible for is then an error, and else a
            reason to take each batch as a whole.

    Raises:
        UsageError: A number is asked for, and the model cannot be computed in parts.
    """
    if shares.value == "1":
        return core, shares
    if reason := _over_batches(core):
        if is_asked_for:
            raise UsageError(
                f"training.cpu_shares is {shares.value}, and {reason}",
                expected="layers that compute every example by itself",
                hint="--set training.cpu_shares=1",
            )
        return core, Choice(value="1", reason=reason)
    model = SharedModel(core, int(shares.value))
    model.build(core.input_shape)
    return model, shares


def _over_batches(core: keras.Model) -> str:
    """Why the batches of a model cannot be cut into parts; empty if they can."""
    if len(core.inputs) != 1 or len(core.outputs) != 1:
        return f"the model has {len(core.inputs)} inputs and {len(core.outputs)} outputs"
    for layer in core._flatten_layers():  # noqa: SLF001, the public model.layers does not look into wrappers
        if isinstance(layer, keras.layers.BatchNormalization) or getattr(layer, "activity_regularizer", None):
            return f"the layer {layer.name} is computed over a whole batch"
    return ""


def shares_of(model: keras.Model) -> int:
    """Into how many parts `model` cuts a batch."""
    return model.shares if isinstance(model, SharedModel) else 1


@contextmanager
def whole_batches(model: keras.Model) -> Iterator[None]:
    """What is traced inside takes batches as a whole: XLA's steps, and a last batch too small to be shared."""
    shares = shares_of(model)
    if shares > 1:
        model.shares = 1
    try:
        yield
    finally:
        if shares > 1:
            model.shares = shares
