"""The keys that several architectures share, and the groups of Keras layers that are built from them.

A group is a linear layer, batch normalization, the activation, and dropout, in this order; only what the keys ask for
becomes a layer. Layers are named after the group: `dense_1`, `dense_1_batch_normalization`, `dense_1_activation`,
`dense_1_dropout`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from dlrun.component import FieldProblem, Fields
from dlrun.signature import Features

if TYPE_CHECKING:
    import keras

# All of Keras' activations that keep the shape and need no argument: not glu, not threshold.
Activation = Literal[
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu",
    "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink",
    "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "tanh",
    "tanh_shrink",
]  # fmt: skip

# All of Keras' initializers that suit a kernel of any shape: not identity, stft and constant.
Initializer = Literal[
    "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform", "ones", "orthogonal",
    "random_normal", "random_uniform", "truncated_normal", "variance_scaling", "zeros",
]  # fmt: skip

Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Penalty = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Item = TypeVar("Item")


def _check_not_empty(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """Refuse an empty list; pydantic's own min_length would also count out items that have errors of their own."""
    if not items:
        raise PydanticCustomError("empty", "Input should be a list of at least one")
    return items


NotEmpty = Annotated[tuple[Item, ...], AfterValidator(_check_not_empty), Field(json_schema_extra={"minItems": 1})]


class Weights(Fields):
    """How kernels begin and what large ones cost; biases begin at zero and cost nothing."""

    kernel_initializer: Initializer = Field(
        default="glorot_uniform", description="How the kernels are drawn before training; he_normal suits relu."
    )
    l1: Penalty = Field(
        default=0.0,
        description="Added to the loss: this times the sum of the absolute values of the kernels (the hidden layers', "
        "if there are any). 0: none.",
    )
    l2: Penalty = Field(
        default=0.0,
        description="Added to the loss: this times the sum of the squares of the same kernels. 0: none.",
    )

    def kernel_options(self) -> dict[str, Any]:
        """The Keras arguments that every layer with a kernel takes."""
        return {"kernel_initializer": self.kernel_initializer, "kernel_regularizer": self.regularizer()}

    def regularizer(self) -> Any:
        """The Keras regularizer of one kernel, or None.

        Formula:
            l1 * sum |w| + l2 * sum w^2
        """
        import keras

        return keras.regularizers.L1L2(self.l1, self.l2) if self.l1 or self.l2 else None


class Hidden(Weights):
    """What follows each hidden layer's linear part."""

    activation: Activation = Field(default="relu", description="Applied to every hidden layer's outputs.")
    batch_normalization: bool = Field(
        default=False,
        description="Normalize each hidden layer over the batch, between its linear part (which keeps its bias, as in "
        "Keras) and its activation.",
    )
    dropout: Fraction = Field(
        default=0.0,
        description="Fraction of each hidden layer's outputs that is dropped in training, from 0 to below 1.",
    )

    def activated(self, tensor: Any, make_layer: Callable[..., Any], *, name: str) -> Any:
        """Apply a linear layer, batch normalization if asked for, and the activation.

        Args:
            tensor: The input.
            make_layer: Makes the Keras layer from the arguments that all layers with a kernel share.
            name: Of the layer.
        """
        if not self.batch_normalization:
            return make_layer(activation=self.activation, name=name, **self.kernel_options())(tensor)
        return self.follow(make_layer(name=name, **self.kernel_options())(tensor), name=name)

    def follow(self, tensor: Any, *, name: str) -> Any:
        """Apply what follows the linear layer `name`: batch normalization if asked for, and the activation."""
        import keras

        if self.batch_normalization:
            tensor = keras.layers.BatchNormalization(name=f"{name}_batch_normalization")(tensor)
        if self.activation == "linear":
            return tensor
        return keras.layers.Activation(self.activation, name=f"{name}_activation")(tensor)

    def drop(self, tensor: Any, *, name: str) -> Any:
        """Apply dropout if it is asked for; the layer is called `<name>_dropout`."""
        import keras

        return keras.layers.Dropout(self.dropout, name=f"{name}_dropout")(tensor) if self.dropout else tensor

    def dense(self, tensor: Any, units: int, *, name: str) -> Any:
        """Apply one hidden dense layer with all that follows it.

        Shape:
            Input: `(batch, width)`. Output: `(batch, units)`.
        """
        import keras

        tensor = self.activated(tensor, lambda **shared: keras.layers.Dense(units, **shared), name=name)
        return self.drop(tensor, name=name)


class TokenEmbedding(Fields):
    """The vectors learnt for token ids, where the features are some."""

    embedding_size: Positive | None = Field(
        default=None,
        description="Width of the vector learnt for each token id; needed for token ids, and only for them.",
    )

    def embedded(self, tensor: Any, features: Features, *, mask_zero: bool = False) -> Any:
        """Give each token id its vector, and the ids among other features theirs; amounts stay as they are.

        Args:
            tensor: The features.
            features: What they are.
            mask_zero: Whether the layers that follow skip the id 0.

        Shape:
            Input: `(batch, steps)` token ids. Output: `(batch, steps, embedding_size)`.
        """
        import keras

        if features.kind != "tokens":
            return with_embeddings(tensor, features)
        ids, size = features.vocabulary_size, self.embedding_size
        return keras.layers.Embedding(ids, size, mask_zero=mask_zero, name="embedding")(tensor)

    def embedding_misfits(self, features: Features) -> Iterator[FieldProblem]:
        """An embedding that is missing for token ids, or given for anything else."""
        if features.kind == "tokens" and self.embedding_size is None:
            said = "the features are token ids, and no embedding turns them into vectors"
            yield FieldProblem((), said, hint="embedding_size: 64")
        for key in ("embedding_size", "mask_zero"):
            if features.kind != "tokens" and getattr(self, key, None):
                yield FieldProblem(
                    (key,),
                    f"{key} is for token ids, but the features are of the kind {features.kind}",
                    expected="a dataset of token ids",
                    hint=f"leave {key} out",
                )


def features_input(features: Features) -> keras.KerasTensor:
    """The model's input.

    Shape:
        `(batch, *features.shape)`, float32, or int32 for tokens.
    """
    import keras

    dtype = "int32" if features.kind == "tokens" else "float32"
    return keras.Input(features.shape, dtype=dtype, name="features")


def with_embeddings(tensor: Any, features: Features) -> Any:
    """The features with learnt vectors in place of ids; features without ids stay as they are.

    Layers are called `embedding_1`, ... in the order of the columns; the ids of a text's words become the mean of their
    vectors.

    Shape:
        Input: `(batch, ..., width)`. Output: `(batch, ..., amounts + vectors)`.
    """
    import keras

    if not features.embedded:
        return tensor
    first = features.shape[-1] - sum(column.columns for column in features.embedded)
    parts = [tensor[..., :first]] if first else []
    # Before any layer sees them: in mixed precision a layer rounds its input, and 257 becomes 256.
    ids = keras.ops.cast(tensor[..., first:], "int32")
    begun = 0
    for number, column in enumerate(features.embedded, start=1):
        embedding = keras.layers.Embedding(column.categories, column.size, name=f"embedding_{number}")
        if column.words is None:
            parts.append(embedding(ids[..., begun]))
        else:
            parts.append(_mean_of_words(embedding, ids[..., begun : begun + column.words]))
        begun += column.columns
    return keras.layers.Concatenate(name="embedded")(parts) if len(parts) > 1 else parts[0]


def _mean_of_words(embedding: Any, ids: Any) -> Any:
    """The mean of the vectors of all ids that are not 0; zeros where all are.

    Shape:
        ids: `(batch, ..., words)`. Output: `(batch, ..., size)`.
    """
    import keras

    vectors = embedding(ids)
    is_word = keras.ops.cast(keras.ops.not_equal(ids, 0), vectors.dtype)[..., None]
    count = keras.ops.maximum(keras.ops.sum(is_word, axis=-2), 1.0)
    return keras.ops.sum(vectors * is_word, axis=-2) / count


def flattened(tensor: Any) -> Any:
    """Flatten all axes but the batch's; a vector stays as it is.

    Shape:
        Input: `(batch, ...)`. Output: `(batch, width)`.
    """
    import keras

    return keras.layers.Flatten(name="flatten")(tensor) if len(tensor.shape) > 2 else tensor  # noqa: PLR2004  batch and width
