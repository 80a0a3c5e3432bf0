"""The first weights of a realmlp suit the training split, and its weight decay has the factors of its weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

CONFIG = """\
dataset: {type: builtin, name: diabetes}
model: {type: realmlp, units: [7, 5]}
loss: mean_squared_error
optimizer: {type: adamw, weight_decay: 0.02}
"""


def assembled(tmp_path: Path, *overrides: str) -> Any:
    from dlrun.spec.parse import read_spec
    from dlrun.training.progress.events import silent
    from dlrun.training.setup import assemble

    (tmp_path / "c.yaml").write_text(CONFIG)
    return assemble(read_spec(tmp_path / "c.yaml", overrides), listener=silent)


def test_every_layer_starts_with_variance_1_over_the_training_split_by_the_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    from dlrun.training.start import data_driven

    setup = assembled(tmp_path)
    assert data_driven.start_from_data(setup) == "the weights of dense_1 to head are scaled to the training split"
    core, rows = setup.compiled.core, setup.dataset.splits["train"].features
    for name in ("dense_1", "dense_2", "head"):
        layer = core.get_layer(name)
        inputs = np.asarray(keras.Model(core.inputs, layer.input)(setup.preprocess(rows)))
        products = inputs @ layer.kernel.numpy() / np.sqrt(inputs.shape[1])
        np.testing.assert_allclose(products.std(axis=0), 1, rtol=1e-4)
        bias = 0.1 * layer.bias.numpy()
        assert ((products.min(axis=0) < -bias) & (-bias < products.max(axis=0))).all()
    again = assembled(tmp_path)
    data_driven.start_from_data(again)
    for one, other in zip(core.get_weights(), again.compiled.core.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    monkeypatch.setattr(data_driven, "_MOST_ROWS", 100)
    assert data_driven.start_from_data(again) == "the weights of dense_1 to head are scaled to 100 training rows"
    assert any(
        (one != other).any() for one, other in zip(core.get_weights(), again.compiled.core.get_weights(), strict=True)
    )
    optimizer = setup.compiled.model.optimizer
    assert sorted(set(optimizer.decay_factors.values())) == [0.0, 0.1, 6.0]


def test_without_data_and_factors_keras_initializes_and_decays(tmp_path: Path) -> None:
    from dlrun.system.keras_internals import WeightDecay
    from dlrun.training.start.data_driven import start_from_data

    setup = assembled(tmp_path, "model.initialization=random", "model.weight_decay_rates=equal")
    before = setup.compiled.core.get_weights()
    assert start_from_data(setup) == ""
    for one, other in zip(before, setup.compiled.core.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not isinstance(setup.compiled.model.optimizer, WeightDecay)
