"""The losses of a spec: all losses of Keras, each with the targets it accepts and the last activation it needs."""

from __future__ import annotations

import abc
import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from dlrun.component import Component, FieldProblem
from dlrun.keras_table import TABLE_PATH, KerasComponent, component_class, entry_names, find_entry, keras_object
from dlrun.registry import Registry
from dlrun.signature import IGNORED_CLASS, MEDIAN, Encoding, Target

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class LossInput:
    """The targets and the last activations that a loss accepts.

    Args:
        classes: Encoding of class labels; `binary` means exactly two classes, None that it does not accept classes.
        values: Whether it accepts real numbers.
        input: Whether it accepts the model's own input as the target.
        head: Activation of the shared head for this loss.
        ends: Activations that a model may end with; if empty, any.
        logits: Whether the Keras class has the argument `from_logits`.
        least_size: Smallest number of values for which the loss is meaningful.
        own_unit: Whether it needs values that are not standardized, because it takes their ratio or logarithm.
        masks: Whether it accepts masks, as a mean over the pixels of an example.
    """

    classes: Encoding | None = None
    values: bool = False
    input: bool = False
    head: str = "linear"
    ends: tuple[str, ...] = ()
    logits: bool = False
    least_size: int = 1
    own_unit: bool = False
    masks: bool = False


_PROBABILITIES = ("softmax", "sparsemax")
_REAL = LossInput(values=True, input=True)
_BINARY = LossInput("binary", input=True, ends=("linear", "sigmoid", "hard_sigmoid"), logits=True)
_ONE_HOT = LossInput("one_hot", ends=("linear", *_PROBABILITIES), logits=True, masks=True)
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
    # CTC needs a sequence of labels for each example, which no dataset provides.
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
    "sparse_categorical_crossentropy": LossInput("index", ends=("linear", *_PROBABILITIES), logits=True, masks=True),
    "squared_hinge": LossInput("binary", ends=("linear", "tanh")),
    "tversky": _SHARES,
}
"""The targets that each Keras loss accepts."""


_OF_BATCH = ("dice", "tversky")


class Loss(Component, abc.ABC):
    """The function that training minimizes. A subclass defines what it `takes` and builds the Keras loss."""

    takes: ClassVar[LossInput] = _REAL
    is_of_batch: ClassVar[bool] = False
    """Whether it is one number for the whole batch, not a mean over examples. Its examples cannot be weighted."""

    @classmethod
    def accepts(cls, target: Target) -> bool:
        """Return whether the loss can be computed for this target, and for each of its class columns."""
        if target.kind == "class_columns":
            return all(cls.accepts(part.target) for part in target.parts) and cls.takes.classes != "binary"
        if target.kind == "classes":
            return cls.takes.classes is not None and (cls.takes.classes != "binary" or target.size == 2)
        if target.kind == "labels":
            return cls.takes.classes == "binary"
        if target.kind == "mask":
            return cls.takes.masks
        return (
            cls.takes.values if target.kind == "values" else cls.takes.input
        ) and target.size >= cls.takes.least_size

    def settle(self, target: Target) -> Target:
        """Return the target with the encoding of this loss and the activation for the shared head.

        For several class columns the head returns logits, because one activation cannot normalize each column.
        """
        if target.kind == "class_columns":
            return target.with_encoding(self.takes.classes or "index")
        encoding = self.takes.classes if target.kind in ("classes", "labels", "mask") else None
        settled = target.with_encoding(encoding or "value", self.takes.head)
        return settled.without_scale() if self.takes.own_unit else settled

    def misfits(self, target: Target) -> Iterator[FieldProblem]:
        """Yield the reasons why the loss cannot be used with the last layer of the model.

        Args:
            target: Target with the encoding of this loss and the activation that the model really applies last.
        """
        if target.kind == "class_columns":
            if target.activation != "linear":
                columns = len(target.parts)
                what = f"a model that ends with {target.activation} cannot normalize {columns} class columns separately"
                yield FieldProblem(("type",), what, expected="a last layer without an activation")
        elif self.takes.ends and target.activation not in self.takes.ends:
            what = f"{self.type_name} does not work with a model that ends with {target.activation}"
            yield FieldProblem(("type",), what, expected="a last activation of " + " or ".join(self.takes.ends))

    @abc.abstractmethod
    def build(self, target: Target) -> keras.losses.Loss:
        """Build the Keras loss.

        Args:
            target: Target with the encoding of this loss and the activation that the model really applies last. For
                class columns, the target of one column.

        Shape:
            y_true: see `target.encoding`. y_pred: `(batch, target.units)`, the shape of the input for kind `input`, or
            `(batch, height, width, target.units)` for masks; float32. Result: a float32 scalar, the mean over the
            batch. The method `call` of a loss for masks returns one number for each example, `(batch,)`.
        """


class KerasLoss(KerasComponent, Loss):
    """A loss of Keras."""

    def build(self, target: Target) -> keras.losses.Loss:
        """Build the Keras loss, which computes in float32 also under mixed precision."""
        import keras

        given: dict[str, Any] = {"name": self.type_name, "dtype": "float32"}
        if self.takes.logits:
            given["from_logits"] = target.activation == "linear"
        loss = keras_object(self, **given)
        if self.type_name == "circle":
            return _map_inputs(loss, lambda y_pred: keras.ops.normalize(y_pred, axis=-1))
        if self.type_name == "categorical_generalized_cross_entropy":
            # The gradient of p**q is infinite at p = 0, which softmax reaches in float32 for confident predictions.
            return _map_inputs(loss, lambda y_pred: keras.ops.clip(y_pred, keras.config.epsilon(), 1.0))
        if self.type_name == "cosine_similarity":
            # Keras takes the cosine along the last axis only; for an image we want one cosine of the whole example.
            return _map_inputs(loss, lambda y: keras.ops.reshape(y, (-1, target.size)), both=True)
        return _mean_over_pixels(loss, target) if target.kind == "mask" else loss


def _map_inputs(loss: Any, change: Any, *, both: bool = False) -> keras.losses.Loss:
    """Return `loss` with `change` applied to its predictions, or to predictions and targets."""
    call = loss.call
    loss.call = lambda y_true, y_pred: call(change(y_true) if both else y_true, change(y_pred))
    return loss


def _mean_over_pixels(loss: Any, target: Target) -> keras.losses.Loss:
    """Return a loss of classes as one of masks: for each example, the mean over its pixels that count."""
    from keras import ops

    call = loss.call

    def of_examples(y_true: Any, y_pred: Any) -> Any:
        counts = counted_pixels(y_true, target)
        if target.encoding == "index":  # any class will do, because these pixels get the weight 0
            y_true = ops.where(counts > 0, y_true, 0)
        flat_true, flat_pred = (ops.reshape(each, (-1, *each.shape[3:])) for each in (y_true, y_pred))
        counts = ops.reshape(counts, (-1, y_pred.shape[1] * y_pred.shape[2]))
        each = ops.reshape(call(flat_true, flat_pred), (-1, counts.shape[1]))
        return ops.sum(each * counts, axis=1) / ops.maximum(ops.sum(counts, axis=1), 1.0)

    loss.call = of_examples
    return loss


def counted_pixels(y_true: Any, target: Target) -> Any:
    """Return 1 for each pixel of encoded masks that counts, and 0 for the others.

    Shape:
        y_true: see `target.encoding`. Returns: `(batch, height, width)` float32.
    """
    from keras import ops

    if target.encoding == "one_hot":
        return ops.sum(ops.cast(y_true, "float32"), axis=-1)
    return ops.cast(ops.not_equal(ops.cast(y_true, "int32"), IGNORED_CLASS), "float32")


losses: Registry[Loss] = Registry("loss")

Level = Annotated[float, Field(gt=0, lt=1)]


@losses.register("quantile")
class Quantile(Loss):
    """The pinball loss, whose minimum is a quantile of the target instead of its mean. Several quantiles never cross.

    Formula:
        mean over the levels q of max(q (y - p_q), (q - 1) (y - p_q))

    Reference:
        Koenker and Bassett, 1978, "Regression Quantiles".
    """

    takes = LossInput(values=True)

    quantiles: Level | Annotated[tuple[Level, ...], Field(min_length=1, max_length=25)] = Field(
        default=(0.05, 0.5, 0.95),
        description="Levels between 0 and 1, ascending. Several need 0.5 among them: the median is the prediction, and "
        "what metrics score. The outermost two give the interval of predict --intervals.",
    )

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels as a tuple."""
        return self.quantiles if isinstance(self.quantiles, tuple) else (self.quantiles,)

    def problems(self) -> Iterator[FieldProblem]:
        """Yield levels that do not ascend or have no median."""
        if list(self.levels) != sorted(set(self.levels)):
            yield FieldProblem(("quantiles",), "the levels do not ascend", "each larger than the one before")
        elif len(self.levels) > 1 and MEDIAN not in self.levels:
            what = "the median, which is the prediction, is not among the quantiles"
            yield FieldProblem(("quantiles",), what, "0.5 among several quantiles, or a single quantile")

    def settle(self, target: Target) -> Target:
        """Return the target with one output for each value and level."""
        return replace(super().settle(target), levels=self.levels)

    def build(self, target: Target) -> keras.losses.Loss:
        """Build the loss.

        Shape:
            y_true: `(batch, size)`. y_pred: `(batch, levels * size)`.
        """
        import keras

        ops, levels, size = keras.ops, [[[level] for level in self.levels]], target.size

        class Pinball(keras.losses.Loss):  # type: ignore[misc, unused-ignore]  # Keras has no types
            def call(self, y_true: Any, y_pred: Any) -> Any:
                predicted = ops.reshape(y_pred, (-1, len(levels[0]), size))
                errors = ops.expand_dims(ops.cast(y_true, predicted.dtype), 1) - predicted
                below = ops.convert_to_tensor(levels, predicted.dtype)
                return ops.mean(ops.maximum(below * errors, (below - 1.0) * errors), axis=(1, 2))

        return Pinball(name=self.type_name, dtype="float32")


@losses.register("dice_crossentropy")
class DiceCrossentropy(Loss):
    """The cross-entropy of each pixel plus the Dice loss of each image, for masks.

    The Dice term compares areas, so that a class counts as much as any other, however few pixels it has; the
    cross-entropy gives a gradient at every pixel. Both are means within an image, and then over images, so that the
    loss does not depend on which images share a batch.

    Formula:
        -crossentropy_weight mean(log p[true class]) + dice_weight (1 - mean over classes of
        (2 sum p t + smooth) / (sum p + sum t + smooth)), over the pixels of the image that count

    Reference:
        Milletari, Navab and Ahmadi, 2016, "V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image
        Segmentation"; Isensee et al., 2021, "nnU-Net", which joins the two.
    """

    takes = LossInput("one_hot", ends=("linear", *_PROBABILITIES), masks=True)

    dice_weight: Annotated[float, Field(ge=0)] = Field(default=1.0, description="Weight of the Dice term.")
    crossentropy_weight: Annotated[float, Field(ge=0)] = Field(default=1.0, description="Weight of the cross-entropy.")
    smooth: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="Pixels that are added to both areas, so that a class that is absent has a Dice of 1."
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0, description="Part of the truth that the cross-entropy spreads over all classes. 0: none."
    )

    @classmethod
    def accepts(cls, target: Target) -> bool:
        """Return whether the target is a mask: without areas there is no Dice."""
        return target.kind == "mask"

    def problems(self) -> Iterator[FieldProblem]:
        """Yield weights that leave no loss."""
        if not self.dice_weight and not self.crossentropy_weight:
            yield FieldProblem(("dice_weight",), "both weights are 0, so there is no loss", "a weight above 0")

    def build(self, target: Target) -> keras.losses.Loss:
        """Build the loss.

        Shape:
            y_true: `(batch, height, width, size)`, zeros where a pixel does not count. y_pred: the same.
        """
        import keras

        ops, keys, is_logits = keras.ops, self, target.is_logits

        class DiceAndCrossentropy(keras.losses.Loss):  # type: ignore[misc, unused-ignore]  # Keras has no types
            def call(self, y_true: Any, y_pred: Any) -> Any:
                counts = ops.sum(y_true, axis=-1, keepdims=True)
                logs = ops.log_softmax(y_pred, axis=-1) if is_logits else ops.log(ops.maximum(y_pred, 1e-7))
                smoothed = y_true * (1 - keys.label_smoothing) + counts * keys.label_smoothing / target.size
                pixels = ops.maximum(ops.sum(counts, axis=(1, 2, 3)), 1.0)
                crossentropy = -ops.sum(smoothed * logs, axis=(1, 2, 3)) / pixels
                probabilities = counts * (ops.softmax(y_pred, axis=-1) if is_logits else y_pred)
                shared = 2 * ops.sum(probabilities * y_true, axis=(1, 2))
                areas = ops.sum(probabilities, axis=(1, 2)) + ops.sum(y_true, axis=(1, 2))
                dice = ops.mean((shared + keys.smooth) / (areas + keys.smooth), axis=-1)
                return keys.crossentropy_weight * crossentropy + keys.dice_weight * (1 - dice)

        return DiceAndCrossentropy(name=self.type_name, dtype="float32")


def losses_for(target: Target) -> tuple[str, ...]:
    """Return the names of the losses that accept a target, including those of plugins."""
    found = ((name, losses.find(name)) for name in losses.names())
    return tuple(name for name, loss in found if loss is not None and loss.accepts(target))


@functools.cache
def _keras_loss(name: str) -> type[Loss]:
    made = component_class(find_entry("losses", name), KerasLoss)
    made.takes = TAKES[name]
    made.is_of_batch = name in _OF_BATCH
    return made


losses.register_lazily(entry_names("losses"), _keras_loss, origin=str(TABLE_PATH))
