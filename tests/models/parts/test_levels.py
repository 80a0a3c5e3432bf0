"""Quantiles never cross, in the model that is trained and in the layers that are exported."""

import numpy as np
import pytest

from dlrun.models.parts.finish import finish_levels, finish_output
from dlrun.models.parts.levels import with_ordered_levels
from dlrun.signature import Target

pytestmark = pytest.mark.tensorflow

LEVELS = (0.05, 0.2, 0.5, 0.8, 0.95)
TARGET = Target("values", 2, encoding="value", mean=(10.0, -3.0), scale=(2.0, 0.5), levels=LEVELS)
OUTPUT = np.random.default_rng(0).normal(size=(40, TARGET.units)).astype(np.float32)


def test_each_value_has_its_quantiles_sorted_in_every_form_of_the_layer() -> None:
    import keras

    from dlrun.exporting.rebuilding import in_plain_layers

    inputs = keras.Input((TARGET.units,))
    model = with_ordered_levels(keras.Model(inputs, keras.layers.Identity()(inputs)), TARGET)
    expected = np.sort(OUTPUT.reshape(40, 5, 2), axis=1)
    np.testing.assert_array_equal(np.asarray(model(OUTPUT)).reshape(40, 5, 2), expected)
    plain = in_plain_layers(model)
    assert not any(layer.name == "ordered_levels" and hasattr(layer, "levels") for layer in plain.layers)
    np.testing.assert_array_equal(np.asarray(plain(OUTPUT)).reshape(40, 5, 2), expected)
    members = keras.KerasTensor((None, 7, TARGET.units))  # of an ensemble in training
    assert model.get_layer("ordered_levels")(members).shape == members.shape


def test_a_model_without_quantiles_is_not_changed() -> None:
    import keras

    inputs = keras.Input((2,))
    model = keras.Model(inputs, inputs)
    assert with_ordered_levels(model, Target("values", 2)) is model


def test_the_value_is_the_median_and_all_quantiles_are_in_the_unit_of_the_data() -> None:
    import keras

    inputs = keras.Input((TARGET.units,))
    alone, every = (keras.Model(inputs, finish(inputs, TARGET)) for finish in (finish_output, finish_levels))
    values, quantiles = np.asarray(alone(OUTPUT)), np.asarray(every(OUTPUT))
    expected = OUTPUT.reshape(40, 5, 2) * TARGET.scale + TARGET.mean
    np.testing.assert_allclose(quantiles, expected, rtol=1e-5)
    np.testing.assert_allclose(values, expected[:, 2], rtol=1e-5)
