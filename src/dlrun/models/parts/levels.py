"""The outputs of a model for several quantiles of each value: sorted, and one of them alone."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from dlrun.signature import Target

if TYPE_CHECKING:
    import keras


def with_ordered_levels(model: keras.Model, target: Target) -> keras.Model:
    """Sort the quantiles of each value, so that a higher level never has a smaller value.

    The model is trained with this part; sorting never increases the loss.

    Args:
        model: The model, with an output for each level and value.
        target: The target; a model for one level or none is returned unchanged.

    Reference:
        Chernozhukov, Fernández-Val and Galichon, 2010, "Quantile and Probability Curves Without Crossing".

    Shape:
        Output: `(batch, levels * size)`, as before.
    """
    if len(target.levels) <= 1:
        return model
    import keras

    ordered = ordered_levels()(levels=len(target.levels), dtype="float32", name="ordered_levels")
    return keras.Model(model.inputs, ordered(model.outputs[0]), name=model.name)


@functools.cache
def ordered_levels() -> type[keras.layers.Layer]:
    """Return the Keras layer class. It is created on first use because importing Keras takes seconds."""
    import keras

    @keras.saving.register_keras_serializable("dlrun")
    class OrderedLevels(keras.layers.Layer):  # type: ignore[misc, unused-ignore]  # Keras has no types
        """Sorts the quantiles of each value.

        Args:
            levels: The number of quantiles of each value.
            **options: Arguments of every Keras layer.
        """

        def __init__(self, *, levels: int, **options: Any) -> None:
            super().__init__(**options)
            self.levels = levels

        def call(self, inputs: Any) -> Any:
            """Sort the quantiles.

            Shape:
                Input and output: `(..., levels * size)`, all values at the first level, then at the second.
            """
            rows = keras.ops.reshape(inputs, (-1, self.levels, inputs.shape[-1] // self.levels))
            return keras.ops.reshape(keras.ops.sort(rows, axis=1), keras.ops.shape(inputs))

        def in_plain_layers(self, inputs: Any) -> Any:
            """Compute the same as `call` by comparing two quantiles at a time, which every runtime can."""
            layers, size = keras.layers, inputs.shape[-1] // self.levels
            levels = [level_of(inputs, place, levels=self.levels, size=size) for place in range(self.levels)]
            # Odd-even transposition: after as many rounds as there are levels, they are sorted.
            for turn in range(self.levels):
                for place in range(turn % 2, self.levels - 1, 2):
                    pair = levels[place : place + 2]
                    levels[place] = layers.Minimum(dtype="float32")(pair)
                    levels[place + 1] = layers.Maximum(dtype="float32")(pair)
            return layers.Concatenate(dtype="float32", name=self.name)(levels)

        def get_config(self) -> dict[str, Any]:
            """Return the arguments in the form that Keras saves."""
            return {**super().get_config(), "levels": self.levels}

    return OrderedLevels


def main_level(output: Any, target: Target) -> Any:
    """Return the prediction of each value: the median.

    Shape:
        Input: `(batch, levels * size)`. Output: `(batch, size)`.
    """
    return level_of(output, target.main_level, levels=len(target.levels), size=target.size)


def level_of(output: Any, place: int, *, levels: int, size: int) -> Any:
    """Return the values of one level, without a slice operation, which not every runtime can load.

    Args:
        output: Output of a model for several levels.
        place: The place of the level.
        levels: The number of levels.
        size: The number of values.

    Shape:
        Input: `(batch, levels * size)`. Output: `(batch, size)`.
    """
    import keras

    layers = keras.layers
    rows = layers.Reshape((levels, size), dtype="float32")(output)
    row = layers.Cropping1D((place, levels - place - 1), dtype="float32")(rows)
    return layers.Reshape((size,), dtype="float32")(row)
