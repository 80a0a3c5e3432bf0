"""The losses that a spec can name: all of Keras', each with the targets it takes and the model's end that it needs."""

from __future__ import annotations

import abc
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from dlrun.component import Component, FieldProblem
from dlrun.keras_table import TABLE_PATH, KerasComponent, component_class, entry_names, find_entry, keras_object
from dlrun.registry import Registry
from dlrun.signature import Encoding, Target

if TYPE_CHECKING:
    import keras

_TWO = 2


@dataclass(frozen=True)
class LossInput:
    """What a loss can be given.

    Args:
        classes: How it takes a class label; None if it cannot. `binary` means exactly two classes.
        values: Whether it takes real numbers.
        input: Whether it takes the model's own input.
        head: Activation that a shared head has to apply.
        ends: Activations that any model may end in; empty: all.
        logits: Whether Keras' class has `from_logits`.
        least_size: Smallest number of values that it makes sense for.
        own_unit: Whether it needs values as they are: a ratio or a logarithm of standardized ones says nothing.
    """

    classes: Encoding | None = None
    values: bool = False
    input: bool = False
    head: str = "linear"
    ends: tuple[str, ...] = ()
    logits: bool = False
    least_size: int = 1
    own_unit: bool = False


_PROBABILITIES = ("softmax", "sparsemax")
_REAL = LossInput(values=True, input=True)
_BINARY = LossInput("binary", input=True, ends=("linear", "sigmoid", "hard_sigmoid"), logits=True)
_ONE_HOT = LossInput("one_hot", ends=("linear", *_PROBABILITIES), logits=True)
_SHARES = LossInput("one_hot", head="softmax", ends=_PROBABILITIES)

TAKES: dict[str, LossInput] = {
    "binary_crossentropy": _BINARY,
    "binary_focal_crossentropy": _BINARY,
    "categorical_crossentropy": _ONE_HOT,
    "categorical_focal_crossentropy": _ONE_HOT,
    "categorical_generalized_cross_entropy": LossInput("index", head="softmax", ends=_PROBABILITIES),
    "categorical_hinge": LossInput("one_hot", ends=("linear", "tanh")),
    "circle": LossInput("index", ends=("linear",)),
    "cosine_similarity": LossInput(values=True, input=True, least_size=2, own_unit=True),
    # Takes a sequence of labels for each example, which no dataset gives.
    "ctc": LossInput(),
    "dice": _SHARES,
    "hinge": LossInput("binary", ends=("linear", "tanh")),
    "huber": _REAL,
    "kl_divergence": _SHARES,
    "log_cosh": _REAL,
    "mean_absolute_error": _REAL,
    "mean_absolute_percentage_error": LossInput(values=True, input=True, own_unit=True),
    "mean_squared_error": _REAL,
    # These two take the logarithm of the prediction. Softplus keeps it positive with a gradient everywhere; a negative
    # one has no gradient in the first (Keras clips it) and no logarithm in the second.
    "mean_squared_logarithmic_error": LossInput(values=True, input=True, head="softplus", own_unit=True),
    "poisson": LossInput(
        values=True,
        input=True,
        head="softplus",
        ends=("softplus", "exponential", "relu", "sigmoid", "squareplus"),
        own_unit=True,
    ),
    "sparse_categorical_crossentropy": LossInput("index", ends=("linear", *_PROBABILITIES), logits=True),
    "squared_hinge": LossInput("binary", ends=("linear", "tanh")),
    "tversky": _SHARES,
}
"""What each of Keras' losses takes."""


_OF_BATCH = ("dice", "tversky")


class Loss(Component, abc.ABC):
    """What training makes small. A subclass says what it `takes` and builds the Keras loss."""

    takes: ClassVar[LossInput] = _REAL
    is_of_batch: ClassVar[bool] = False
    """Whether it is one number for a batch, not a mean over examples: no example of it can have a weight of its own."""

    @classmethod
    def accepts(cls, target: Target) -> bool:
        """Whether it can be computed for this target; of several columns of classes, for each."""
        if target.kind == "class_columns":
            return all(cls.accepts(part.target) for part in target.parts) and cls.takes.classes != "binary"
        if target.kind == "classes":
            return cls.takes.classes is not None and (cls.takes.classes != "binary" or target.size == _TWO)
        if target.kind == "labels":
            return cls.takes.classes == "binary"
        return (
            cls.takes.values if target.kind == "values" else cls.takes.input
        ) and target.size >= cls.takes.least_size

    def settle(self, target: Target) -> Target:
        """The target in the encoding that the loss takes, with the activation that a shared head has to apply.

        What the head gives for several columns of classes are logits: no activation is one for each column.
        """
        if target.kind == "class_columns":
            return target.settled(self.takes.classes or "index")
        encoding = self.takes.classes if target.kind in ("classes", "labels") else None
        settled = target.settled(encoding or "value", self.takes.head)
        return settled.unscaled() if self.takes.own_unit else settled

    def misfits(self, target: Target) -> Iterator[FieldProblem]:
        """What is wrong about the model's end.

        Args:
            target: Settled, with the activation that the model's last layer really applies.
        """
        if target.kind == "class_columns":
            if target.activation != "linear":
                columns = len(target.parts)
                said = f"a model that ends in {target.activation} does not give each of {columns} columns its own"
                yield FieldProblem(("type",), said, expected="a last layer without activation")
        elif self.takes.ends and target.activation not in self.takes.ends:
            said = f"{self.type_name} cannot be computed from a model that ends in {target.activation}"
            yield FieldProblem(("type",), said, expected="a last activation of " + " or ".join(self.takes.ends))

    @abc.abstractmethod
    def build(self, target: Target) -> keras.losses.Loss:
        """Make the Keras loss.

        Args:
            target: Settled, with the activation that the model's last layer really applies; of several columns of
                classes, one of them.

        Shape:
            y_true: as `target.encoding` says. y_pred: `(batch, target.units)`, or the input's shape for kind `input`;
            float32. Result: a float32 scalar, the mean over the batch.
        """


class KerasLoss(KerasComponent, Loss):
    """One of Keras' losses."""

    def build(self, target: Target) -> keras.losses.Loss:
        """Make the Keras loss, in float32."""
        import keras

        given: dict[str, Any] = {"name": self.type_name, "dtype": "float32"}
        if self.takes.logits:
            given["from_logits"] = target.activation == "linear"
        loss = keras_object(self, **given)
        if self.type_name == "circle":
            return _mapped(loss, lambda y_pred: keras.ops.normalize(y_pred, axis=-1))
        if self.type_name == "categorical_generalized_cross_entropy":
            # The gradient of p**q is infinite at 0, which softmax reaches in float32.
            return _mapped(loss, lambda y_pred: keras.ops.clip(y_pred, keras.config.epsilon(), 1.0))
        if self.type_name == "cosine_similarity":
            # One angle between whole examples, also where the target is an image.
            return _mapped(loss, lambda y: keras.ops.reshape(y, (-1, target.size)), both=True)
        return loss


def _mapped(loss: Any, change: Any, *, both: bool = False) -> keras.losses.Loss:
    """`loss`, of changed predictions, or of changed predictions and targets."""
    call = loss.call
    loss.call = lambda y_true, y_pred: call(change(y_true) if both else y_true, change(y_pred))
    return loss


losses: Registry[Loss] = Registry("loss")


def losses_for(target: Target) -> tuple[str, ...]:
    """The names of the losses that accept a target, plugins' too."""
    found = ((name, losses.find(name)) for name in losses.names())
    return tuple(name for name, loss in found if loss is not None and loss.accepts(target))


@functools.cache
def _keras_loss(name: str) -> type[Loss]:
    made = component_class(find_entry("losses", name), KerasLoss)
    made.takes = TAKES[name]
    made.is_of_batch = name in _OF_BATCH
    return made


losses.register_lazily(entry_names("losses"), _keras_loss, origin=str(TABLE_PATH))
