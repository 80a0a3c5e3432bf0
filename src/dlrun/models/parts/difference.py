"""Add a known value of the window to the output of a forecasting model, so that the network learns the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlrun.signature import Target
from dlrun.value_transform import transform_tensor

if TYPE_CHECKING:
    import keras


def with_last_value(model: keras.Model, target: Target) -> keras.Model:
    """Add the last value of the target, or that of the last season, to the output of a model, if requested.

    Loss, metrics, predictions and exports then work with the values themselves. It is built from standard layers
    without weights, because not every runtime for exported models can load a slice operation.

    Args:
        model: Model for sequences.
        target: Target of the model, standardized to mean 0 and variance 1 if it has a scale.

    Formula:
        y = f(x) + (t(scale x[-rows_back, place] + offset) - mean) / deviation, with the transformation t of the target

    Shape:
        Input: `(batch, steps, width)`. Output: `(batch, target.units)`, float32.
    """
    if not target.last:
        return model
    import keras

    layers, (inputs,) = keras.layers, model.inputs
    steps, width = inputs.shape[1:]
    cells: dict[int, Any] = {}
    for back in dict.fromkeys(last.rows_back for last in target.last):
        # Cropping to one row, and then to one column, replaces the slice x[:, -back, place].
        suffix = "" if back == 1 else f"_{back}"
        row = layers.Cropping1D((steps - back, back - 1), dtype="float32", name=f"last_row{suffix}")(inputs)
        cells[back] = layers.Reshape((width, 1), dtype="float32", name=f"last_cells{suffix}")(row)
    columns: list[Any] = []
    for number, last in enumerate(target.last):
        outside = (last.place, width - last.place - 1)
        cell = layers.Cropping1D(outside, dtype="float32", name=f"last_{number}")(cells[last.rows_back])
        mean, scale = (target.mean[number], target.scale[number]) if target.scale else (0.0, 1.0)
        if target.transform != "none":
            unit = layers.Rescaling(last.scale, last.offset, dtype="float32", name=f"last_unit_{number}")
        else:
            unit = layers.Rescaling(
                last.scale / scale, (last.offset - mean) / scale, dtype="float32", name=f"last_unit_{number}"
            )
        columns.append(unit(layers.Reshape((1,), dtype="float32", name=f"last_cell_{number}")(cell)))
    base = layers.Concatenate(dtype="float32", name="last_values")(columns) if len(columns) > 1 else columns[0]
    if target.transform != "none":
        factors = [1 / each for each in target.scale]
        offsets = [-each * factor for each, factor in zip(target.mean, factors, strict=True)]
        standard = layers.Rescaling(factors, offsets, dtype="float32", name="last_learned")
        base = standard(transform_tensor(base, target))
    if len(target.levels) > 1:  # every quantile is relative to the same value
        base = layers.Concatenate(dtype="float32", name="last_of_levels")([base] * len(target.levels))
    outputs = layers.Add(dtype="float32", name="from_last_value")([model.outputs[0], base])
    return keras.Model(inputs, outputs, name=model.name)
