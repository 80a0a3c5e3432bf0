"""Train the head of a model on what its frozen network has computed, in place of the images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from dlrun.runs.record import Choice
from dlrun.spec.types import Spec


class FeatureModel(keras.Model):  # type: ignore[misc, unused-ignore]  # Keras has no types
    """Applies `core`, or only what comes after one of its layers while `takes_features` is set.

    Args:
        core: The whole model.
        layer: The name of the layer whose output the rest of the model gets.

    Shape:
        As `core`; with `takes_features`, the input is the output of the layer.
    """

    takes_features = False

    def __init__(self, core: keras.Model, layer: str) -> None:
        super().__init__(name=core.name)
        self.core = core
        tail = keras.Model(core.get_layer(layer).output, core.output, name="tail")
        # Keras finds the layers of a model in its attributes, and would list those of the tail a second time.
        self._tail: Callable[..., Any] = lambda inputs, training: tail(inputs, training=training)

    def call(self, inputs: Any, training: bool | None = None) -> Any:  # noqa: FBT001  Keras' own signature
        """Apply the model, or its tail."""
        return (self._tail if self.takes_features else self.core)(inputs, training=training)


def with_feature_input(model: keras.Model, core: keras.Model, layer: str) -> keras.Model:
    """Return a model that can also take the output of a layer as its input; the same model if there is no such layer.

    Args:
        model: The model to train.
        core: The model that the spec describes.
        layer: The name of the layer; empty for none.
    """
    if not layer or model is not core:
        return model
    taking = FeatureModel(core, layer)
    taking.build(core.input_shape)
    return taking


def use_features(model: keras.Model, *, on: bool) -> None:
    """Set what the graphs take that are traced from now on: features in place of images, or images."""
    if isinstance(model, FeatureModel):
        model.takes_features = on


def as_they_are(rows: Any) -> Any:
    """Return features as they are, in place of the preprocessing of images."""
    return rows


def choose_features(spec: Spec, model: keras.Model, *, augments: bool, replicas: int) -> Choice | None:
    """Choose whether to compute the output of a frozen network once; None if no phase freezes such a network.

    Args:
        spec: The spec.
        model: The model to train.
        augments: Whether the images change in each epoch.
        replicas: The number of devices.
    """
    if not spec.model.frozen_layer() or not any(phase.trainable == "none" for phase in spec.phases()):
        return None
    reason = ""
    if augments:
        reason = "augmentation changes the images in each epoch"
    elif replicas > 1:
        reason = f"{replicas} devices share each batch"
    elif not isinstance(model, FeatureModel):
        reason = "CPU shares compute the whole model"
    if reason:
        return Choice(value="in each step", reason=f"{reason}, so the frozen network computes them again")
    return Choice(value="once", reason="while the network is frozen, the head alone is trained on what it computes")
