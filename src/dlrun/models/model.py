"""The base class of model architectures, with the checks that run before a model is built."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from dlrun.component import Component, FieldProblem
from dlrun.registry import Registry
from dlrun.schedules import Schedule
from dlrun.signature import FeatureKind, Features, Target

if TYPE_CHECKING:
    import keras


class Model(Component, abc.ABC):
    """A model architecture that a spec can select."""

    takes: ClassVar[tuple[FeatureKind, ...]] = ("image", "vector", "sequence", "tokens")
    """Kinds of features that it accepts."""

    learns_embedded: ClassVar[bool] = False
    """Whether it learns vectors for columns of category ids; see `embedding.with_embeddings`."""

    target_is_input: ClassVar[bool] = False
    """Whether it reconstructs its own input and ignores the labels of the data."""

    predicts_mask: ClassVar[bool] = False
    """Whether it predicts a class for each pixel, `(batch, height, width, target.units)`, and nothing else."""

    trains_members: ClassVar[bool] = False
    """Whether its output in training has an axis of members, `(batch, members, units)`, each with a loss of its own."""

    is_trainable: ClassVar[bool] = True
    """Whether it is trained; False for one that only joins networks that were trained before."""

    @abc.abstractmethod
    def build(self, features: Features, target: Target) -> keras.Model:
        """Build the Keras model without compiling it.

        Layer names must depend only on the spec, not on a counter, because checkpoints find variables by name.

        Args:
            features: Features of the input.
            target: Target of the output: `units` values after `activation`.

        Shape:
            Input: `(batch, *features.shape)`, float32, or int32 for tokens. Output: `(batch, target.units)` float32,
            the shape of the input if `target_is_input`, or `(batch, height, width, target.units)` if `predicts_mask`.
        """

    def misfits(self, features: Features) -> Iterator[FieldProblem]:  # noqa: ARG002
        """Yield keys that do not work with these features, such as a pool larger than the image, without TensorFlow."""
        return iter(())

    def misfits_target(self, target: Target) -> Iterator[FieldProblem]:  # noqa: ARG002
        """Yield keys that do not work with this target, for models that have their own output layer."""
        return iter(())

    def solved_layer(self) -> str:
        """Return the name of a dense layer that training starts at its least-squares solution; empty for none."""
        return ""

    def solves_shift_invariant(self) -> bool:
        """Return whether the solution moves with the level of the features: if all of them rise, nothing changes."""
        return False

    def started_layers(self) -> tuple[str, ...]:
        """Return the names of layers whose first weights depend on the training split, from input to output.

        Each layer has a method `start(inputs, random)`, which gets what the layers before it make of training rows.
        """
        return ()

    def blended_layers(self) -> tuple[str, str] | None:
        """Return the names of a dense layer and of the `Blend` that joins its logits with those of a network.

        The dense layer is a logistic or softmax regression for the training split, and is not trained further.
        """
        return None

    def backbone_layers(self, core: keras.Model) -> tuple[keras.Layer, ...]:
        """Return the layers that another task can use, too, from input to output: all but the output layer.

        Args:
            core: What `build` has returned.
        """
        return tuple(layer for layer in core.layers if layer.name != "head")

    def backbone_layer_names(self) -> tuple[str, ...]:
        """Return the names of these layers, as far as they are known before the model is built."""
        return ()

    def frozen_layer(self) -> str:
        """Return the name of the layer whose output is the same in each epoch while the backbone is frozen.

        What comes after it must need only its output. Empty if there is no such layer.
        """
        return ""

    def files(self) -> Mapping[str, str]:
        """Return the files of the user that a training reads for the model, by the key that names each."""
        return {}

    def rate_schedule(self) -> Schedule | None:
        """Return how the rates of all dropout layers change during training; None if they are constant."""
        return None

    def decay_factor(self, layer: Any, weight: str) -> float:  # noqa: ARG002
        """Return the factor of the optimizer's weight decay for a weight.

        Args:
            layer: Keras layer of the weight.
            weight: Name of the weight in the layer.
        """
        return 1.0

    def final_activation(self, target: Target) -> str:
        """Return the name of the last activation: that of the head, unless the model has its own output layer."""
        return target.activation

    def gains_from_shares(self) -> bool:
        """Return whether training on a CPU is faster if each core computes a part of the batch.

        This requires layers that compute each example independently, which excludes batch normalization. It pays off
        for convolutional and recurrent layers. Wide dense layers are limited by reading their weights, which would
        happen once for each part.
        """
        return False


models: Registry[Model] = Registry("model")
