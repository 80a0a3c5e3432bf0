"""Columns of ids among the features become learned vectors under every precision."""

from typing import Any

import numpy as np
import pytest

from dlrun.models import models
from dlrun.models.embedding import with_embeddings
from dlrun.models.layers import features_input
from dlrun.signature import Embedded, Features, Target

pytestmark = pytest.mark.tensorflow

# One amount, a city of 70,000, three words.
EMBEDDED = (Embedded("city", 70_000, 3), Embedded("text", 500, 2, words=3))
VECTOR = Features("vector", (5,), embedded=EMBEDDED)
SEQUENCE = Features("sequence", (4, 5), embedded=EMBEDDED)
CLASSES = Target("classes", 2)
VECTORS = 70_000 * 3 + 500 * 2


@pytest.mark.parametrize(
    ("model", "keys", "features", "parameters"),
    [
        ("linear", {}, VECTOR, 6 * 2 + 2),
        ("mlp", {"units": (8,)}, VECTOR, (6 * 8 + 8) + (8 * 2 + 2)),
        ("mlp", {"units": (8,)}, SEQUENCE, (24 * 8 + 8) + (8 * 2 + 2)),
        ("cnn", {"blocks": ({"filters": 3, "kernel_size": 2},)}, SEQUENCE, (2 * 6 * 3 + 3) + (9 * 2 + 2)),
        ("lstm", {"units": (7,)}, SEQUENCE, 4 * (6 * 7 + 7 * 7 + 7) + (7 * 2 + 2)),
    ],
)
def test_parameter_count_matches_the_hand_computation(
    model: str, keys: dict[str, Any], features: Features, parameters: int
) -> None:
    component = models.find(model)
    assert component is not None
    assert component.learns_embedded
    assert component(**keys).build(features, CLASSES).count_params() == VECTORS + parameters


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("features", [VECTOR, SEQUENCE], ids=["vector", "sequence"])
def test_every_id_finds_its_own_vector(features: Features, precision: str) -> None:
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        inputs = features_input(features)
        model = keras.Model(inputs, with_embeddings(inputs, features))
    finally:
        keras.config.set_dtype_policy(before)
    cities = np.arange(70_000 * 3, dtype=np.float32).reshape(-1, 3) % 251  # whole numbers that bfloat16 holds
    words = np.arange(500, dtype=np.float32)[:, None] % 64 * np.array([1, 2], np.float32)
    model.get_layer("embedding_1").set_weights([cities])
    model.get_layer("embedding_2").set_weights([words])
    rows = np.array([[0.5, 257, 2, 4, 0], [0.5, 69_999, 0, 0, 0], [0.5, 1025, 63, 0, 0]], np.float32)
    expected = np.array(
        [[0.5, *cities[257], 3, 6], [0.5, *cities[69_999], 0, 0], [0.5, *cities[1025], 63, 126]], np.float32
    )
    if features is SEQUENCE:
        rows, expected = np.repeat(rows[:, None], 4, axis=1), np.repeat(expected[:, None], 4, axis=1)
    assert np.array_equal(np.asarray(model(rows)).astype(np.float32), expected)


def test_models_without_embeddings_suggest_an_alternative(tmp_path: Any) -> None:
    from dlrun.errors import SpecError
    from dlrun.spec.parse import read_spec

    rows = "".join(f"city {index % 70},{index}.5,{'yes' if index % 3 else 'no'}\n" for index in range(280))
    (tmp_path / "t.csv").write_text("city,size,y\n" + rows)
    (tmp_path / "c.yaml").write_text(
        f"dataset: {{type: table, path: {tmp_path}/t.csv, target: y}}\n"
        "model: {type: autoencoder, latent_units: 2}\noptimizer: adam\nloss: mean_squared_error\n"
    )
    with pytest.raises(SpecError) as caught:
        read_spec(tmp_path / "c.yaml", ("dataset.embedding.min_categories=50",))
    for word in ("c.yaml:2:15", "cannot embed the ids of 'city'", "--set dataset.embedding=off"):
        assert word in str(caught.value)
    spec = read_spec(tmp_path / "c.yaml").spec  # auto chooses what the model takes
    assert spec.dataset.plain()["embedding"] == "off"
    description = spec.dataset.describe()
    assert description is not None
    assert not description.features.embedded
