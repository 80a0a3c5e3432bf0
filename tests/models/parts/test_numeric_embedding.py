"""Numeric embeddings, computed by hand, in a model and as the plain operations of an exported model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import dlrun
from dlrun.models import models
from dlrun.models.mlp import Mlp
from dlrun.models.parts.numeric_embedding import Periodic, PiecewiseLinear
from dlrun.signature import Continuous, Embedded, Features, Target

EDGES = ((0.0, 1.0), (-1.0, 0.0, 0.5, 2.0))
NUMBERS = (Continuous(0, EDGES[0]), Continuous(2, EDGES[1]))
FEATURES = Features("vector", (6,), embedded=(Embedded("city", 4, 2),), continuous=NUMBERS)
KEYS: tuple[Any, ...] = (
    Periodic(type="periodic", frequencies=3, size=4),
    Periodic(type="periodic", frequencies=3, size=4, lite=True),
    Periodic(type="periodic", frequencies=3, size=4, form="pbld"),
    PiecewiseLinear(type="piecewise_linear", size=4),
    PiecewiseLinear(type="piecewise_linear", size=4, activation="relu", bins=2),
)


def test_a_word_is_short_for_a_group_with_its_defaults() -> None:
    assert Mlp(units=(4,), numeric_embedding="periodic").keys_for(FEATURES) == Periodic(type="periodic")
    assert Mlp(units=(4,), numeric_embedding="piecewise_linear").keys_for(FEATURES) == PiecewiseLinear(
        type="piecewise_linear"
    )
    assert Mlp(units=(4,)).keys_for(FEATURES) is None
    broken: Any = {"type": "piecewise_linear", "bins": 0}
    with pytest.raises(ValidationError, match="bins"):
        Mlp(units=(4,), numeric_embedding=broken)


def test_features_without_continuous_numbers_have_none_to_embed() -> None:
    model = Mlp(units=(4,), numeric_embedding="periodic")
    assert not list(model.misfits(FEATURES))
    assert not list(model.misfits(Features("vector", (6,))))  # unknown before the data is loaded
    for features in (Features("vector", (6,), continuous=()), Features("image", (4, 4, 1))):
        (problem,) = model.misfits(features)
        assert problem.path == ("numeric_embedding",)


def test_every_model_of_tables_and_series_has_the_key() -> None:
    """All but the ensemble, whose members were trained with keys of their own."""
    # Plugins that other tests have loaded are in the registry, too.
    own = Path(dlrun.__file__).parent
    found = {name: models.find(name) for name in models.names() if Path(models.origin(name)).is_relative_to(own)}
    assert "mlp" in found
    taking = {name for name, model in found.items() if model and {"vector", "sequence"} & {*model.takes}}
    assert taking - {"ensemble"} == {
        name for name, model in found.items() if model and "numeric_embedding" in model.model_fields
    }


@pytest.mark.tensorflow
def test_periodic_vectors_are_waves_and_a_linear_layer_of_each_number() -> None:
    layer = Periodic(type="periodic", frequencies=3, size=4).layer(NUMBERS)
    x = np.array([[0.5, -2.0]], np.float32)
    found = np.asarray(layer(x)).reshape(2, 4)
    frequencies, kernel, bias = (weight.numpy() for weight in layer.weights)
    for number in range(2):
        angles = 2 * np.pi * frequencies[number] * x[0, number]
        waves = np.concatenate([np.sin(angles), np.cos(angles)])
        np.testing.assert_allclose(found[number], np.maximum(waves @ kernel[number] + bias[number], 0), atol=1e-5)


@pytest.mark.tensorflow
def test_pbld_keeps_the_number_beside_its_vector() -> None:
    layer = Periodic(type="periodic", frequencies=3, size=4, form="pbld").layer(NUMBERS, rate=0.1)
    x = np.array([[0.5, -2.0]], np.float32)
    found = np.asarray(layer(x)).reshape(2, 4)
    frequencies, phase, kernel, bias = (0.1 * weight.numpy() for weight in layer.weights)
    for number in range(2):
        waves = np.cos(2 * np.pi * frequencies[number] * x[0, number] + phase[number])
        vector = np.concatenate([x[0, number : number + 1], waves @ kernel[number] + bias[number]])
        np.testing.assert_allclose(found[number], vector, atol=1e-5)


@pytest.mark.tensorflow
def test_piecewise_linear_vectors_are_the_place_in_each_bin_and_open_at_both_ends() -> None:
    layer = PiecewiseLinear(type="piecewise_linear", size=1).layer(NUMBERS)
    layer.build((None, 2))
    layer.kernel.assign(np.array([[[1], [10], [100]], [[1], [10], [100]]]))
    layer.bias.assign(np.zeros((2, 1)))
    x = np.array([[0.25, -2.0], [3.0, 0.25], [-1.0, 5.0]], np.float32)
    # Number 1 has one bin. Number 2 has the bins -1 to 0, 0 to 0.5 and 0.5 to 2.
    np.testing.assert_allclose(layer(x), np.array([[0.25, -1], [3, 1 + 5], [-1, 1 + 10 + 300]]), rtol=1e-6)


@pytest.mark.tensorflow
def test_fewer_bins_are_at_even_distances_among_the_quantiles() -> None:
    layer = PiecewiseLinear(type="piecewise_linear", bins=2, size=1).layer([Continuous(0, tuple(map(float, range(9))))])
    assert layer.edges == [[0.0, 4.0, 8.0]]


@pytest.mark.tensorflow
@pytest.mark.parametrize("keys", KEYS, ids=str)
def test_a_model_embeds_the_numbers_at_their_places_and_exports_the_same_in_plain_operations(keys: Any) -> None:
    import keras

    from dlrun.exporting.keras_file import foreign_layers
    from dlrun.exporting.rebuilding import in_plain_layers

    component = Mlp(units=(5,), numeric_embedding=keys)
    model = component.build(FEATURES, Target("classes", 3))
    rows = np.random.default_rng(0).standard_normal((9, 6)).astype("float32")
    rows[:, 5] = np.arange(9) % 4
    joined = np.asarray(keras.Model(model.inputs, model.get_layer("embedded").output)(rows))
    assert component.embedded_widths(FEATURES) == (4, 4, 1, 1, 1, 2)
    np.testing.assert_allclose(joined[:, :8], model.get_layer("numeric_embedding")(rows[:, [0, 2]]), atol=1e-6)
    np.testing.assert_array_equal(joined[:, 8:11], rows[:, [1, 3, 4]])
    plain = in_plain_layers(model)
    assert not foreign_layers(plain)
    np.testing.assert_allclose(plain(rows), model(rows), atol=1e-5)


@pytest.mark.tensorflow
def test_a_sequence_has_a_vector_in_each_step() -> None:
    features = Features("sequence", (7, 3), continuous=(Continuous(0, (0.0, 1.0)), Continuous(1, (0.0, 1.0))))
    lstm: Any = models.find("lstm")
    model = lstm(units=(4,), numeric_embedding=Periodic(type="periodic", frequencies=3, size=4)).build(
        features, Target("classes", 3)
    )
    assert model.get_layer("embedded").output.shape == (None, 7, 2 * 4 + 1)
