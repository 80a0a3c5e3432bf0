"""Cut each batch into parts that the cores of one CPU compute in parallel, each part on one core from start to end.

`training.cpu_shares` is the number of these parts. TensorFlow's own way is to use all cores inside each operation,
which makes cores wait for each other after every operation: on two cores, a step of a small convolutional network is
faster with only one of them. Here the parts meet only when their outputs are joined for the loss. So loss, gradients
and metrics are those of the whole batch, up to the order of additions.
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
from dlrun.system.keras_internals import all_layers

_SMALLEST_PART = 8
"""The smallest number of examples in a part that is worth a core of its own."""


def choose_shares(spec: Spec, *, on_gpu: bool, cores: int, alone: bool = True) -> Choice:
    """Choose the number of parts that one CPU cuts each batch into.

    Args:
        spec: The spec.
        on_gpu: Whether the model runs on a GPU.
        cores: The number of cores that this process may use.
        alone: Whether the model runs on one device only.

    Returns:
        The number of parts, and why.

    Raises:
        UsageError: The spec sets `cpu_shares`, and several devices share each batch.
    """
    wanted = spec.training.cpu_shares
    if not alone:
        if wanted not in ("auto", 1):
            raise UsageError(
                f"training.cpu_shares is {wanted}, but several devices share each batch already",
                expected="either several devices or several CPU shares",
                hint="--set training.cpu_shares=auto",
            )
        return Choice(value="1", reason="several devices share each batch already")
    if wanted != "auto":
        return Choice(value=str(wanted), reason="asked for")
    if on_gpu:
        return Choice(value="1", reason="a GPU computes whole batches")
    if spec.training.jit == "on":
        return Choice(value="1", reason="XLA computes whole batches")
    if not spec.model.gains_from_shares():
        return Choice(value="1", reason=f"{spec.model.type_name} with these settings gains nothing from CPU shares")
    shares = max(1, min(cores, spec.training.batch_size // _SMALLEST_PART))
    if shares == 1:
        return Choice(value="1", reason="one core" if cores == 1 else "the batch is small")
    return Choice(value=str(shares), reason=f"{cores} cores compute parts of each batch in parallel")


class SharedModel(keras.Model):  # type: ignore[misc, unused-ignore]  # Keras has no types
    """Applies `core` to parts of a batch and concatenates the outputs.

    Args:
        core: A model that computes every example independently.
        shares: The number of parts, whose sizes differ by one example at most.

    Shape:
        As `core`. A batch has at least `shares` examples, except inside `whole_batches`.
    """

    def __init__(self, core: keras.Model, shares: int) -> None:
        super().__init__(name=core.name)
        self.core = core
        self.shares = shares

    def call(self, inputs: Any, training: bool | None = None) -> Any:  # noqa: FBT001  Keras' own signature
        """Apply `core` to each part."""
        if self.shares == 1:
            return self.core(inputs, training=training)
        size = tf.shape(inputs)[0]
        # Parts have no operations in common, so TensorFlow's executor runs them on different threads at the same time.
        sizes = tf.stack([(size + index) // self.shares for index in range(self.shares)])
        parts = tf.split(inputs, sizes)
        return tf.concat([self.core(part, training=training) for part in parts], axis=0)


def share_batches(core: keras.Model, shares: Choice, *, is_asked_for: bool) -> tuple[keras.Model, Choice]:
    """Return the model that computes `core` in parts, and the number of parts; for one part, `core` itself.

    Args:
        core: The built model.
        shares: The choice of `choose_shares`, which knows the spec of the model but not all of its layers.
        is_asked_for: Whether the spec sets the number. If the model cannot be computed in parts, that is then an error;
            otherwise batches are computed as a whole.

    Raises:
        UsageError: The spec sets the number, and the model cannot be computed in parts.
    """
    if shares.value == "1":
        return core, shares
    if reason := _over_batches(core):
        if is_asked_for:
            raise UsageError(
                f"training.cpu_shares is {shares.value}, but {reason}",
                expected="layers that compute every example independently",
                hint="--set training.cpu_shares=1",
            )
        return core, Choice(value="1", reason=reason)
    model = SharedModel(core, int(shares.value))
    model.build(core.input_shape)
    return model, shares


def _over_batches(core: keras.Model) -> str:
    """Return why the batches of a model cannot be cut into parts; empty if they can."""
    if len(core.inputs) != 1 or len(core.outputs) != 1:
        return f"the model has {len(core.inputs)} inputs and {len(core.outputs)} outputs"
    for layer in all_layers(core):
        if isinstance(layer, keras.layers.BatchNormalization) or getattr(layer, "activity_regularizer", None):
            return f"the layer {layer.name} is computed over a whole batch"
    return ""


def shares_of(model: keras.Model) -> int:
    """Return the number of parts that `model` cuts a batch into."""
    return model.shares if isinstance(model, SharedModel) else 1


@contextmanager
def whole_batches(model: keras.Model) -> Iterator[None]:
    """Trace whole batches inside the block: for XLA's steps, and for a last batch with too few examples to divide."""
    shares = shares_of(model)
    if shares > 1:
        model.shares = 1
    try:
        yield
    finally:
        if shares > 1:
            model.shares = shares
