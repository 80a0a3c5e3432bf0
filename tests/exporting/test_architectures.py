"""Every deep architecture is exported to every format and predicts the same: one format here, others in the soak."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.exporting.formats import FORMATS
from dlrun.models import models
from dlrun.signature import Features, Target
from exported_models import exported, needs

pytestmark = pytest.mark.tensorflow

SEQUENCE = Features("sequence", (6, 4))
TOKENS = Features("tokens", (6,), vocabulary_size=20)
IMAGE = Features("image", (6, 6, 2))
ODD = Features("image", (9, 6, 2))
GATED: Any = (
    {"Dense": {"name": "steps", "units": 4}},
    {"MultiHeadAttention": {"name": "seen", "num_heads": 2, "key_dim": 3, "inputs": ("steps", "steps")}},
    {"AdditiveAttention": {"name": "again", "inputs": ("steps", "seen")}},
    {"Multiply": {"name": "gated", "inputs": ("steps", "again")}},
    {"Concatenate": {"inputs": ("gated", "features")}},
    {"GlobalAveragePooling1D": {}},
    {"Dense": {"units": 3}},
)
MODELS: dict[str, tuple[str, dict[str, Any], Features]] = {
    "resnet": ("resnet", {"depth": 20, "filters": 2, "stochastic_depth": 0.2}, IMAGE),
    "transformer": ("transformer", {"width": 8, "heads": 2, "layers": 1, "dropout": 0.1}, TOKENS),
    "waves": ("transformer", {"width": 8, "heads": 2, "layers": 1, "positions": "sinusoidal"}, SEQUENCE),
    "patches": ("transformer", {"width": 8, "heads": 2, "layers": 1, "patch_size": 3}, IMAGE),
    "tcn": ("tcn", {"filters": (4, 5, 5), "dropout": 0.2, "stochastic_depth": 0.1}, SEQUENCE),
    "graph": ("graph", {"layers": GATED}, SEQUENCE),
    "residual cnn": (
        "cnn",
        {
            "blocks": ({"filters": 4, "residual": True, "pool_size": 2},),
            "padding": "same",
            "stochastic_depth": 0.2,
        },
        IMAGE,
    ),
    "unet": ("unet", {"filters": (4, 6, 8), "dropout": 0.1}, ODD),
    "bilinear unet": (
        "unet",
        {"filters": (4, 6), "upsampling": "bilinear", "residual": True, "batch_normalization": False},
        ODD,
    ),
}
HERE = {("resnet", "keras"), ("transformer", "onnx"), ("waves", "tflite"), ("graph", "savedmodel")}


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize(
    ("name", "to"),
    [
        pytest.param(*pair, marks=() if pair in HERE else pytest.mark.soak)
        for pair in itertools.product(MODELS, ("keras", "savedmodel", "onnx", "tflite"))
    ],
)
def test_an_exported_model_predicts_the_same(name: str, to: str, tmp_path: Path) -> None:
    needs(to)
    import keras

    from dlrun.exporting.export_model import CORE, ExportModel
    from dlrun.exporting.rebuilding import in_plain_layers

    keras.utils.set_random_seed(0)
    kind, keys, features = MODELS[name]
    component = models.find(kind)
    assert component is not None
    target = Target("mask", 3, activation="softmax") if component.predicts_mask else Target("classes", 3)
    core = component(**keys).build(features, target)
    core = keras.Model(core.inputs[0], core.outputs[0], name=CORE)
    is_text = features.kind == "tokens"
    given = keras.Input(features.shape, dtype="int32" if is_text else "float32", name="features")
    identity = keras.Model(given, keras.layers.Identity(dtype=given.dtype)(given))
    model = ExportModel(identity, identity, in_plain_layers(core), target)
    random = np.random.default_rng(0)
    drawn = [random.normal(size=(1, *features.shape)).astype("float32") for _ in range(3)]
    if is_text:
        drawn = [np.array([ids], "int32") for ids in ([3, 5, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6], [0] * 6)]
    _, measured = exported(model, [{"features": each} for each in drawn], tmp_path / f"it{FORMATS[to].suffix}", to)
    assert measured.passed
    assert measured.largest_difference < 2e-6
