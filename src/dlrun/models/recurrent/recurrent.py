"""The base class of the recurrent networks rnn, gru and lstm."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from dlrun.component import FieldProblem
from dlrun.models.embedding import TokenEmbedding
from dlrun.models.layers import (
    Activation,
    Fraction,
    Hidden,
    NotEmpty,
    Positive,
    Weights,
    features_input,
)
from dlrun.models.model import Model
from dlrun.models.parts.block_lstm import block_lstm
from dlrun.models.shortcut import LinearShortcut
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras


class Recurrent(TokenEmbedding, Weights, LinearShortcut, Model, abc.ABC):
    """A recurrent network for sequences, token ids, or the rows of an image.

    Subclasses define the recurrent layer, whose other arguments keep the defaults of Keras. The last recurrent layer
    returns its last step; the others return all steps.
    """

    takes = ("sequence", "tokens", "image")
    learns_embedded = True

    layer_class: ClassVar[str]
    """Name of the layer class in keras.layers."""

    units: NotEmpty[Positive] = Field(description="Width of each recurrent layer, from input to output.")
    bidirectional: bool = Field(
        default=False, description="Read each sequence in both directions; each layer is then twice as wide."
    )
    activation: Activation = Field(
        default="tanh",
        description="Activation of the recurrent layers; only tanh uses the fast fused operation on a GPU.",
    )
    dropout: Fraction = Field(
        default=0.0,
        description="Fraction of the inputs of each recurrent layer, and of the outputs of each dense layer, that is "
        "dropped during training, at least 0, below 1.",
    )
    recurrent_dropout: Fraction = Field(
        default=0.0,
        description="Fraction of the state that is dropped between steps during training, at least 0, below 1. Above "
        "0, training is slow on a GPU.",
    )
    mask_zero: bool = Field(default=False, description="Skip steps with token id 0 (padding).")
    head_units: tuple[Positive, ...] = Field(
        default=(), description="Width of each dense layer before the output layer."
    )
    head_activation: Activation = Field(default="relu", description="Activation of these dense layers.")

    def build(self, features: Features, target: Target) -> keras.Model:
        """Build the Keras model.

        Shape:
            Input: `(batch, steps, width)`, `(batch, steps)` of token ids, or `(batch, height, width, channels)`, which
            is read as height steps of width * channels values. Output: `(batch, target.units)`, float32.
        """
        import keras

        inputs = features_input(features)
        tensor = steps = self._steps(inputs, features)
        for number, units in enumerate(self.units, start=1):
            tensor = self._layer(units, number=number)(tensor)
        dense = Hidden(activation=self.head_activation, **self.model_dump(include={"dropout", *Weights.model_fields}))
        for number, units in enumerate(self.head_units, start=1):
            tensor = dense.dense(tensor, units, name=f"dense_{number}")
        return keras.Model(inputs, self.head(tensor, target, features=steps), name=self.type_name)

    def gains_from_shares(self) -> bool:
        """Return True: recurrent layers always compute each example independently."""
        return True

    def misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield an embedding that token ids need but lack, or one for other features."""
        if features.kind in self.takes:
            yield from self.embedding_misfits(features)
            yield from self.shortcut_misfits(features)

    def _steps(self, tensor: Any, features: Features) -> Any:
        """Turn the features into a sequence of vectors.

        Shape:
            Output: `(batch, steps, width)`.
        """
        import keras

        if features.kind == "image":
            height, width, channels = features.shape
            return keras.layers.Reshape((height, width * channels), name="rows")(tensor)
        return self.embed(tensor, features, mask_zero=self.mask_zero)

    def _layer(self, units: int, *, number: int) -> Any:
        """Build a recurrent layer. The penalties include its input kernel and its recurrent kernel."""
        import keras

        layer_class = block_lstm() if self.layer_class == "LSTM" else getattr(keras.layers, self.layer_class)
        layer = layer_class(
            units,
            activation=self.activation,
            dropout=self.dropout,
            recurrent_dropout=self.recurrent_dropout,
            recurrent_regularizer=self.regularizer(),
            return_sequences=number < len(self.units),
            name=f"{self.type_name}_{number}",
            **self.kernel_options(),
        )
        # Keras would name the wrapper with a counter, and checkpoints find variables by name.
        return keras.layers.Bidirectional(layer, name=layer.name) if self.bidirectional else layer
