"""Weights as float16."""

from pathlib import Path

import numpy as np
import pytest

from exported_models import exported

pytestmark = pytest.mark.tensorflow


@pytest.mark.usefixtures("children_here")
def test_constants_shared_with_a_loop_are_not_quantized(tmp_path: Path) -> None:
    """The initial state of a loop is zeros, and shares its buffer with another tensor of zeros."""
    import keras

    from dlrun.exporting.export_model import ExportModel
    from dlrun.signature import Target

    given, inputs = keras.Input((5, 3), name="features"), keras.Input((5, 3))
    identity = keras.Model(given, keras.layers.Identity()(given))
    core = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.LSTM(40)(inputs)), name="core")
    model = ExportModel(identity, identity, core, Target("classes", 3))
    examples = [{"features": np.full((1, 5, 3), number, np.float32)} for number in range(3)]
    _, measured = exported(model, examples, tmp_path / "model.tflite", "tflite", "float16")
    assert measured.passed
