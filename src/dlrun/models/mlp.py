"""The multilayer perceptron: dense hidden layers on flattened features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from dlrun.component import FieldProblem
from dlrun.models.embedding import NumericEmbedding
from dlrun.models.layers import Hidden, NotEmpty, Positive, features_input, flattened
from dlrun.models.model import Model, models
from dlrun.models.shortcut import LinearShortcut
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras


@models.register("mlp")
class Mlp(NumericEmbedding, Hidden, LinearShortcut, Model):
    """A multilayer perceptron: dense hidden layers, each with an activation.

    Formula:
        h_i = activation(W_i h_(i-1) + b_i), y = W h_n + b
    """

    takes = ("image", "vector", "sequence")
    learns_embedded = True

    units: NotEmpty[Positive] = Field(description="Width of each hidden layer, from input to output.")

    def build(self, features: Features, target: Target) -> keras.Model:
        """Build the Keras model.

        Shape:
            Input: `(batch, *features.shape)`. Output: `(batch, target.units)`, float32.
        """
        import keras

        inputs = features_input(features)
        joined = self.embedded(inputs, features)
        tensor = flattened(joined)
        for number, units in enumerate(self.units, start=1):
            tensor = self.dense(tensor, units, name=f"dense_{number}")
        return keras.Model(inputs, self.head(tensor, target, features=joined), name=self.type_name)

    def misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield a numeric embedding without continuous numbers, and features that do not suit the shortcut."""
        if features.kind in self.takes:
            yield from self.numeric_misfits(features)
            yield from self.shortcut_misfits(features)
