"""A model is rebuilt from layers that every Keras has."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import RunError
from dlrun.exporting.examples import Sample
from dlrun.exporting.formats import FORMATS
from dlrun.exporting.writing import write
from exported_models import Make, exported, needs

pytestmark = pytest.mark.tensorflow


def _recurrent(keras: Any, kind: str) -> list[Any]:
    from dlrun.models.parts.block_lstm import block_lstm

    layers, dropout = keras.layers, {"dropout": 0.3, "recurrent_dropout": 0.2}
    found: dict[str, Callable[[], list[Any]]] = {
        "rnn": lambda: [layers.SimpleRNN(5, **dropout)],
        "gru": lambda: [layers.GRU(5, **dropout)],
        "lstm": lambda: [block_lstm()(5, dropout=0.3)],
        "bidirectional": lambda: [layers.Bidirectional(layers.LSTM(5, **dropout))],
        "cells": lambda: [layers.RNN([layers.LSTMCell(5, **dropout), layers.GRUCell(4, **dropout)])],
        "convolutional": lambda: [layers.Reshape((5, 3, 1)), layers.ConvLSTM1D(3, 2, **dropout), layers.Flatten()],
        "noise": lambda: [layers.GaussianNoise(0.3), layers.SpatialDropout1D(0.2), layers.LSTM(5, seed=1, **dropout)],
    }
    return found[kind]()


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize(
    ("kind", "to"),
    [
        *((kind, "onnx") for kind in ("rnn", "gru", "lstm", "bidirectional", "cells", "convolutional", "noise")),
        ("noise", "keras"),
        ("noise", "savedmodel"),
        ("noise", "tflite"),
    ],
)
def test_dropout_of_recurrent_layers_does_not_prevent_an_export(kind: str, to: str, tmp_path: Path) -> None:
    needs(to)
    import keras

    from dlrun.exporting.export_model import ExportModel
    from dlrun.exporting.rebuilding import in_plain_layers
    from dlrun.signature import Target

    keras.utils.set_random_seed(0)
    given, inputs = keras.Input((5, 3), name="features"), keras.Input((5, 3))
    identity, tensor = keras.Model(given, keras.layers.Identity()(given)), inputs
    for layer in _recurrent(keras, kind):
        tensor = layer(tensor)
    core = keras.Model(inputs, keras.layers.Dense(3)(tensor), name="core")
    model = ExportModel(identity, identity, in_plain_layers(core), Target("classes", 3))
    examples = [{"features": np.full((1, 5, 3), number, np.float32)} for number in range(3)]
    path = tmp_path / f"model{FORMATS[to].suffix}"
    _, measured = exported(model, examples, path, to)
    assert measured.passed
    if to == "keras":  # training it further drops values as the run does
        layers = keras.saving.load_model(path)._flatten_layers()
        assert [(each.dropout, each.recurrent_dropout) for each in layers if isinstance(each, keras.layers.RNN)] == [
            (0.3, 0.2)
        ]


def test_the_error_names_a_layer_that_keras_does_not_have(plain_model: Make, tmp_path: Path) -> None:
    import dataclasses

    import keras

    class Doubled(keras.layers.Layer):  # type: ignore[misc, unused-ignore]
        def call(self, inputs: Any) -> Any:
            return inputs * 2

    model = plain_model("rows")
    core = keras.Model(model.core.input, Doubled(name="mine")(model.core.output), name="core")
    sample = Sample((), np.empty(0), "none")
    with pytest.raises(RunError, match=r"mine \(Doubled\)"):
        write(
            dataclasses.replace(model, core=core), tmp_path / "model.keras", FORMATS["keras"],
            run="a run", sample=sample, quantize=None,
        )  # fmt: skip
    assert not (tmp_path / "model.keras").exists()


def test_a_tied_autoencoder_and_a_fused_lstm_become_plain_layers() -> None:
    import keras

    from dlrun.exporting.rebuilding import in_plain_layers
    from dlrun.models.parts.block_lstm import block_lstm
    from dlrun.models.parts.reversible_dense import reversible_dense

    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 3))
    tensor = keras.layers.Bidirectional(block_lstm()(5, dtype="mixed_bfloat16"))(inputs)
    tied = reversible_dense()(2, name="tied")
    core = keras.Model(inputs, tied(tied(tensor), reverse=True))
    for variable in core.variables:
        if "float" in variable.dtype:
            variable.assign(np.random.default_rng(1).normal(size=variable.shape))
    plain = in_plain_layers(core)
    layers = plain._flatten_layers()
    assert {type(layer).__module__.partition(".")[0] for layer in layers} == {"keras"}
    assert {layer.compute_dtype for layer in layers if layer.weights} == {"float32"}
    rows = np.random.default_rng(2).normal(size=(5, 4, 3)).astype(np.float32)
    expected = core(rows).numpy()
    np.testing.assert_allclose(plain(rows).numpy(), expected, atol=0.05 * np.ptp(expected))
