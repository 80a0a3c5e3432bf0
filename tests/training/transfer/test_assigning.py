"""Files with weights: every format of Keras, and everything that does not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import DataError

pytestmark = pytest.mark.tensorflow


def network(*, filters: int = 3, name: str = "normal", seed: int = 0) -> Any:
    """A small network whose convolutions have the names that Keras counts in this process."""
    import keras

    keras.utils.set_random_seed(seed)
    inputs = keras.Input((6, 6, 2))
    tensor = keras.layers.Conv2D(4, 3)(inputs)
    tensor = keras.layers.BatchNormalization(name=name, moving_mean_initializer="random_normal")(tensor)
    inner = keras.Sequential([keras.layers.Conv2D(filters, 1), keras.layers.Dropout(0.5)])
    return keras.Model(inputs, keras.layers.ReLU()(inner(tensor)))


def assign(backbone: Any, path: Path) -> tuple[str, ...]:
    from dlrun.training.transfer.assigning import assign_stored
    from dlrun.training.transfer.weights_file import open_weights

    with open_weights(path) as stored:
        return assign_stored(backbone, stored)


def values(backbone: Any) -> list[Any]:
    return [variable.numpy() for variable in backbone.weights]


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
def test_the_weights_of_every_format_are_those_that_keras_has_written(suffix: str, tmp_path: Path) -> None:
    given, path = network(seed=1), tmp_path / f"given{suffix}"
    (given.save_weights if suffix == ".weights.h5" else given.save)(path)
    taking = network(seed=2)  # Keras has counted on, so its convolutions have other names
    taken = assign(taking, path)
    assert taken == tuple(variable.path for variable in taking.weights)
    for now, then in zip(values(taking), values(given), strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"filters": 5}, r"conv2d\S*/kernel is \(1, 1, 4, 3\) instead of \(1, 1, 4, 5\); .*/bias is \(3,\)"),
        ({"name": "other"}, "it lacks the layer other; it has the layer normal, which the network has not"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_assigned(keys: dict[str, Any], what: str, tmp_path: Path) -> None:
    network(seed=1).save_weights(tmp_path / "given.weights.h5")
    taking = network(**keys)
    before = values(taking)
    with pytest.raises(DataError, match=what):
        assign(taking, tmp_path / "given.weights.h5")
    for now, then in zip(values(taking), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("name", ["text.h5", "text.keras", "absent.weights.h5"])
def test_a_file_that_keras_has_not_written_is_refused_by_name(name: str, tmp_path: Path) -> None:
    if name != "absent.weights.h5":
        (tmp_path / name).write_text("weights")
    with pytest.raises(DataError, match=name):
        assign(network(), tmp_path / name)
