"""Keys that several architectures share, and the groups of Keras layers built from them.

A group is a linear layer, batch normalization, an activation and dropout, in this order; parts that the keys do not
request are omitted. Layers are named after the group: `dense_1`, `dense_1_batch_normalization`, `dense_1_activation`,
`dense_1_dropout`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from dlrun.component import FieldProblem, Fields
from dlrun.rate_schedule import RateSchedule, schedule_field
from dlrun.schedules import Constant, Schedule
from dlrun.signature import Features

if TYPE_CHECKING:
    import keras

# All activations of Keras that keep the shape and need no argument, that is, all except glu and threshold.
Activation = Literal[
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu",
    "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink",
    "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "tanh",
    "tanh_shrink",
]  # fmt: skip

# All initializers of Keras that suit a kernel of any shape, that is, all except identity, stft and constant.
Initializer = Literal[
    "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform", "ones", "orthogonal",
    "random_normal", "random_uniform", "truncated_normal", "variance_scaling", "zeros",
]  # fmt: skip

QUICK_STATISTICS: Mapping[str, float] = {"momentum": 0.9, "epsilon": 1e-5}
"""Arguments of batch normalization in deep convolutional networks, as in the code of the paper on residual networks.
Keras' momentum of 0.99 needs hundreds of steps to settle."""

Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Penalty = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Item = TypeVar("Item")


def _check_not_empty(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """Reject an empty list. The min_length of pydantic would also reject a list whose items have errors."""
    if not items:
        raise PydanticCustomError("empty", "Input should be a list with at least one item")
    return items


NotEmpty = Annotated[tuple[Item, ...], AfterValidator(_check_not_empty), Field(json_schema_extra={"minItems": 1})]


class Weights(Fields):
    """Initialization and penalties of kernels. Biases start at zero and have no penalty."""

    kernel_initializer: Initializer = Field(
        default="glorot_uniform", description="Initial distribution of the kernels; he_normal suits relu."
    )
    l1: Penalty = Field(
        default=0.0,
        description="Weight of the L1 penalty, the sum of the absolute values of the kernels (of the hidden layers, if "
        "the model has any). 0: none.",
    )
    l2: Penalty = Field(
        default=0.0,
        description="Weight of the L2 penalty, the sum of the squares of the same kernels. 0: none.",
    )

    def kernel_options(self) -> dict[str, Any]:
        """Return the Keras arguments that every layer with a kernel takes."""
        return {"kernel_initializer": self.kernel_initializer, "kernel_regularizer": self.regularizer()}

    def regularizer(self) -> Any:
        """Return the Keras regularizer of a kernel, or None.

        Formula:
            l1 * sum |w| + l2 * sum w^2
        """
        import keras

        return keras.regularizers.L1L2(self.l1, self.l2) if self.l1 or self.l2 else None


class DropoutKeys(Fields):
    """Dropout after the hidden layers."""

    dropout: Fraction = Field(
        default=0.0,
        description="Fraction of the outputs of each hidden layer dropped during training, at least 0, below 1.",
    )
    dropout_schedule: RateSchedule = schedule_field(
        "constant",
        "How dropout changes during training: constant, flat_cos, or another schedule, also as a group with its keys. "
        "What it says of the learning rate holds for the fraction that is dropped.",
    )

    def rate_schedule(self) -> Schedule | None:
        """Return how the rates of all dropout layers change; None if they are constant, or there are none."""
        return self.dropout_schedule if self.drops() and not isinstance(self.dropout_schedule, Constant) else None

    def drops(self) -> bool:
        """Return whether any layer has dropout."""
        return self.dropout > 0

    def problems(self) -> Iterator[FieldProblem]:
        """Yield a schedule of a dropout that is 0 throughout."""
        usual = type(self).model_fields["dropout_schedule"].default
        if self.dropout_schedule.type_name not in (usual, "constant") and not self.drops():
            what = "dropout_schedule has no effect without dropout"
            yield FieldProblem(("dropout_schedule",), what, "a dropout above 0", "dropout: 0.1")


class Hidden(DropoutKeys, Weights):
    """Normalization, activation and dropout after the linear part of each hidden layer."""

    normalization_options: ClassVar[Mapping[str, float]] = {}
    """Keras arguments of batch normalization that differ from the defaults."""

    activation: Activation = Field(default="relu", description="Activation of the hidden layers.")
    batch_normalization: bool = Field(
        default=False,
        description="Apply batch normalization in each hidden layer, between its linear part (which keeps its bias, as "
        "in Keras) and its activation.",
    )

    def activate(self, tensor: Any, make_layer: Callable[..., Any], *, name: str) -> Any:
        """Apply a linear layer, batch normalization if enabled, and the activation.

        Args:
            tensor: Input of the layer.
            make_layer: Function that builds the Keras layer from the arguments that all layers with a kernel share.
            name: Name of the layer.
        """
        # Only normalization needs the activation in a layer of its own, which comes after it.
        if not self.batch_normalization:
            return make_layer(activation=self.activation, name=name, **self.kernel_options())(tensor)
        return self.follow(make_layer(name=name, **self.kernel_options())(tensor), name=name)

    def follow(self, tensor: Any, *, name: str) -> Any:
        """Apply batch normalization if enabled, and the activation, after the linear layer `name`."""
        import keras

        if self.batch_normalization:
            options = self.normalization_options
            tensor = keras.layers.BatchNormalization(**options, name=f"{name}_batch_normalization")(tensor)
        if self.activation == "linear":
            return tensor
        return keras.layers.Activation(self.activation, name=f"{name}_activation")(tensor)

    def drop(self, tensor: Any, *, name: str) -> Any:
        """Apply dropout if enabled, in a layer named `<name>_dropout`."""
        import keras

        return keras.layers.Dropout(self.dropout, name=f"{name}_dropout")(tensor) if self.dropout else tensor

    def dense(self, tensor: Any, units: int, *, name: str) -> Any:
        """Apply a hidden dense layer with normalization, activation and dropout.

        Shape:
            Input: `(batch, width)`. Output: `(batch, units)`.
        """
        import keras

        tensor = self.activate(tensor, lambda **shared: keras.layers.Dense(units, **shared), name=name)
        return self.drop(tensor, name=name)


def features_input(features: Features) -> keras.KerasTensor:
    """Return the input of a model.

    Shape:
        `(batch, *features.shape)`, float32, or int32 for tokens.
    """
    import keras

    dtype = "int32" if features.kind == "tokens" else "float32"
    return keras.Input(features.shape, dtype=dtype, name="features")


def flattened(tensor: Any, *, name: str = "flatten", dtype: str | None = None) -> Any:
    """Flatten all axes except the batch axis.

    Args:
        tensor: The tensor.
        name: Name of the layer.
        dtype: Data type of the layer; None for the policy of the model, which may round features to bfloat16.

    Shape:
        Input: `(batch, ...)`. Output: `(batch, width)`.
    """
    import keras

    # A tensor of two axes has only batch and width.
    return keras.layers.Flatten(name=name, dtype=dtype)(tensor) if len(tensor.shape) > 2 else tensor
