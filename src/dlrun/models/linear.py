"""The linear model: linear, logistic and softmax regression."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlrun.component import FieldProblem
from dlrun.models.embedding import NumericEmbedding
from dlrun.models.head import head
from dlrun.models.layers import Weights, features_input, flattened
from dlrun.models.model import Model, models
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras


@models.register("linear")
class Linear(NumericEmbedding, Weights, Model):
    """A linear model. With l2 it is ridge regression, with l1 the lasso.

    Formula:
        y = W x + b
    """

    takes = ("image", "vector", "sequence")
    learns_embedded = True

    def build(self, features: Features, target: Target) -> keras.Model:
        """Build the Keras model.

        Shape:
            Input: `(batch, *features.shape)`. Output: `(batch, target.units)`, float32.
        """
        import keras

        inputs = features_input(features)
        outputs = head(flattened(self.embedded(inputs, features)), target, **self.kernel_options())
        return keras.Model(inputs, outputs, name=self.type_name)

    def misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield a numeric embedding for features without continuous numbers."""
        if features.kind in self.takes:
            yield from self.numeric_misfits(features)
