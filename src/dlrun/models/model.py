"""The base of every model component: what it needs to know to build, and what it can check before."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from dlrun.component import Component, FieldProblem
from dlrun.registry import Registry
from dlrun.signature import FeatureKind, Features, Target

if TYPE_CHECKING:
    import keras


class Model(Component, abc.ABC):
    """An architecture that a spec can name."""

    takes: ClassVar[tuple[FeatureKind, ...]] = ("image", "vector", "sequence", "tokens")
    """The kinds of features it can be built for."""

    learns_embedded: ClassVar[bool] = False
    """Whether it learns vectors for the columns of ids that features may end in; see `layers.with_embeddings`."""

    target_is_input: ClassVar[bool] = False
    """Whether it learns to give its own input back, whatever labels the data has."""

    @abc.abstractmethod
    def build(self, features: Features, target: Target) -> keras.Model:
        """Make the Keras model, not compiled; every layer is named after the spec, none by a counter.

        Args:
            features: What it is given.
            target: What it has to give: `units` values, after `activation`.

        Shape:
            Input: `(batch, *features.shape)`, float32, or int32 for tokens. Output: `(batch, target.units)` float32,
            or the input's shape if `target_is_input`.
        """

    def misfits(self, features: Features) -> Iterator[FieldProblem]:  # noqa: ARG002
        """Keys that cannot work with these features (a pool larger than its image); found without TensorFlow."""
        return iter(())

    def misfits_target(self, target: Target) -> Iterator[FieldProblem]:  # noqa: ARG002
        """Keys that cannot work with this target, settled by the loss; for models that bring their own output layer."""
        return iter(())

    def final_activation(self, target: Target) -> str:
        """Name of the activation that the last layer applies: the head's, unless the model has an end of its own."""
        return target.activation

    def gains_from_shares(self) -> bool:
        """Whether a CPU does well to compute parts of a batch at the same time, each on a core of its own.

        It needs layers that compute every example by itself (batch normalization does not), and gains where they are
        convolutions or recurrent; wide dense layers would read their weights once for each part.
        """
        return False


models: Registry[Model] = Registry("model")
