"""Every format gives the same as Keras for unusual strings, missing values and images of any size."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import RunError
from dlrun.exporting.checking import ExportCheck, check
from dlrun.exporting.examples import Sample
from dlrun.exporting.formats import FORMATS, Quantize, find_format
from dlrun.exporting.writing import WrittenModel, write

pytestmark = pytest.mark.tensorflow

Make = Callable[..., Any]
Examples = Callable[..., list[dict[str, Any]]]


def exported(
    model: Any, examples: list[dict[str, Any]], path: Path, to: str, quantize: Quantize | None = None
) -> tuple[WrittenModel, ExportCheck]:
    """Write a model and run it as the check does."""
    import tensorflow as tf

    whole, names = model.whole(), model.inputs()
    given = [{name: tf.constant(each[own].tolist() if each[own].dtype == object else each[own])
              for name, own in names.items()} for each in examples]  # fmt: skip
    expected = {"probabilities": np.concatenate([whole(each, training=False)["probabilities"] for each in given])}
    sample = Sample(tuple(examples), np.empty(len(examples)), "odd ones")
    written = write(model, path, FORMATS[to], run="a run", sample=sample, quantize=quantize)
    measured = check(
        path,
        FORMATS[to],
        written.examples,
        expected=expected,
        target=model.target,
        limit=written.limit,
    )
    return written, measured


def needs(to: str) -> None:
    """Skip the test if the packages of a format are missing."""
    for package in FORMATS[to].packages:
        pytest.importorskip(package, reason=f"an export to {to} needs it: pip install 'dlrun[{to}]'")


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize("to", ["onnx", "tflite"])
@pytest.mark.parametrize("kind", ["words", "rows"])
def test_strings_get_the_same_ids_as_in_keras(
    kind: str, to: str, plain_model: Make, raw_examples: Examples, tmp_path: Path
) -> None:
    needs(to)
    examples = raw_examples(kind, steps=2)
    _, measured = exported(plain_model(kind, steps=2), examples, tmp_path / f"model{FORMATS[to].suffix}", to)
    assert measured.largest_difference < 1e-5
    assert measured.examples == len(examples)
    assert measured.together == (to == "onnx")


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize("to", ["onnx", "tflite"])
def test_an_export_takes_images_of_any_size(to: str, plain_model: Make, raw_examples: Examples, tmp_path: Path) -> None:
    needs(to)
    path = tmp_path / f"model{FORMATS[to].suffix}"
    _, measured = exported(plain_model("images"), raw_examples("images"), path, to)
    assert measured.largest_difference < 1e-4


@pytest.mark.usefixtures("children_here")
def test_characters_are_recognized_by_regular_expressions(
    plain_model: Make, raw_examples: Examples, tmp_path: Path
) -> None:
    needs("onnx")
    _, measured = exported(plain_model("characters"), raw_examples("characters"), tmp_path / "model.onnx", "onnx")
    assert measured.largest_difference < 1e-5


@pytest.mark.parametrize("kind", ["words", "characters"])
def test_the_bytes_of_a_text_give_the_same_ids_as_its_string(
    kind: str, plain_model: Make, raw_examples: Examples
) -> None:
    import tensorflow as tf

    from dlrun.exporting.text_layers import TextRules, string_layers
    from dlrun.exporting.tflite.text import ByteTokens

    [layer] = string_layers(plain_model(kind).raw)
    read = ByteTokens(TextRules.of(layer))
    for example in raw_examples(kind):
        text = example["text"][0, 0]
        ids = read(tf.constant(np.frombuffer(text.encode(), np.uint8)[None]))
        assert ids.numpy().tolist() == layer(tf.constant([[text]])).numpy().tolist(), repr(text)


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


def test_every_format_contains_labels_and_inputs(plain_model: Make, tmp_path: Path) -> None:
    from dlrun.exporting.description import append_description, describe
    from dlrun.exporting.writing import _of_one

    model = plain_model("rows")
    description = _of_one(describe(model, model.whole(), run="a run"), ("remark",))
    (tmp_path / "model.tflite").write_bytes(b"a flatbuffer")
    append_description(description, tmp_path / "model.tflite")
    assert (tmp_path / "model.tflite").read_bytes().startswith(b"a flatbuffer")
    with zipfile.ZipFile(tmp_path / "model.tflite") as archive:
        assert archive.read("labels.txt").decode().splitlines() == ["class 0", "class 1", "class 2"]
        found = json.loads(archive.read("description.json"))
    inputs = {each["name"]: each for each in found["inputs"]}
    assert inputs["native_country"] == {
        "name": "native_country", "dtype": "string", "shape": [1, 1], "column": "native country",
        "missing": "an empty string",
    }  # fmt: skip
    assert inputs["age"]["missing"] == "NaN"
    assert inputs["remark"]["dtype"] == "uint8"
    assert found["outputs"] == [{"name": "probabilities", "shape": [1, 3]}]


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


def test_a_quantization_that_the_format_does_not_support_is_a_usage_error() -> None:
    from dlrun.errors import UsageError

    with pytest.raises(UsageError, match="TensorFlow Lite") as caught:
        find_format("keras", "int8")
    assert caught.value.hint == "--to tflite --quantize int8"
