"""A model for TensorFlow Lite."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dlrun.exporting.formats import Quantize
from exported_models import Examples, Make, exported

pytestmark = pytest.mark.tensorflow


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize(("quantize", "limit", "dtype"), [("float16", 1e-2, np.float16), ("int8", 0.1, np.int8)])
def test_only_the_network_is_quantized_and_not_the_preprocessing(
    quantize: Quantize, limit: float, dtype: Any, plain_model: Make, raw_examples: Examples, tmp_path: Path
) -> None:
    import tensorflow as tf

    path = tmp_path / "model.tflite"
    written, measured = exported(plain_model("rows", classes=12), raw_examples("rows") * 5, path, "tflite", quantize)
    assert measured.passed
    assert measured.largest_difference < limit
    assert written.quantized.startswith(quantize)
    tensors = {each["name"]: each["dtype"] for each in tf.lite.Interpreter(str(path)).get_tensor_details()}
    assert dtype in {found for name, found in tensors.items() if "/core_" in name}
    assert dtype not in {found for name, found in tensors.items() if "/raw_" in name or "/preprocess_" in name}


@pytest.mark.parametrize(("layer", "expected"), [("dense", True), ("attention", False), ("recurrent", False)])
def test_models_with_attention_or_loops_are_not_calibrated(layer: str, *, expected: bool) -> None:
    import keras

    from dlrun.exporting.tflite.model import can_calibrate

    inputs = keras.Input((4, 8))
    outputs = {
        "dense": lambda: keras.layers.Dense(3)(inputs),
        "attention": lambda: keras.layers.MultiHeadAttention(2, 4)(inputs, inputs),
        "recurrent": lambda: keras.layers.GRU(3)(inputs),
    }[layer]()
    model: Any = SimpleNamespace(core=keras.Model(inputs, outputs), taken=dict)
    assert can_calibrate(model) == expected
