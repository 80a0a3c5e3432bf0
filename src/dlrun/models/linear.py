"""The linear model: linear, logistic and softmax regression."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlrun.models.embedding import with_embeddings
from dlrun.models.head import head
from dlrun.models.layers import Weights, features_input, flattened
from dlrun.models.model import Model, models
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras


@models.register("linear")
class Linear(Weights, Model):
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
        outputs = head(flattened(with_embeddings(inputs, features)), target, **self.kernel_options())
        return keras.Model(inputs, outputs, name=self.type_name)
