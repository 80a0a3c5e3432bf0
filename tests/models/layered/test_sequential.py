from typing import Any

import pytest
from pydantic import ValidationError

from dlrun.component import FieldProblem
from dlrun.keras_table import LayerPart, entry_names, parse_part
from dlrun.models.layered.layer_shapes import layer_shape
from dlrun.models.layered.sequential import Sequential
from dlrun.models.parts.numeric_embedding import PiecewiseLinear
from dlrun.signature import Continuous, Features, Target

MNIST = Features("image", (28, 28, 1))
TEN = Target("classes", 10).with_encoding("index")
ONE = Target("classes", 2).with_encoding("binary")
RELU = {"activation": "relu"}


def conv(filters: int, **arguments: Any) -> dict[str, Any]:
    return {"Conv2D": {"filters": filters, "kernel_size": 3, **RELU, **arguments}}


def dense(units: int, **arguments: Any) -> dict[str, Any]:
    return {"Dense": {"units": units, **arguments}}


CNN = (
    conv(32), {"MaxPooling2D": {"pool_size": 2}}, conv(64), "MaxPooling2D", conv(64), "Flatten", dense(64, **RELU),
    dense(10),
)  # fmt: skip


def made(layers: Any) -> Sequential:
    return Sequential(layers=layers)


def misfits(*layers: Any, features: Features = MNIST) -> list[FieldProblem]:
    return list(made(layers).misfits(features))


def problem(error: ValidationError) -> tuple[tuple[int | str, ...], str]:
    (row,) = error.errors()
    return row["loc"], row["msg"]


@pytest.mark.parametrize(
    ("layer", "place", "said"),
    [
        ({"Conv2d": {"filters": 3}}, ("Conv2d",), "did you mean 'Conv2D'?"),
        (conv(32, padd="same"), ("Conv2D", "padd"), "did you mean 'padding'?"),
        (conv(0), ("Conv2D", "filters"), "filters should be a whole number (at least 1)"),
        ({"Lambda": {"function": "x"}}, ("Lambda",), "needs code"),
        ("TFSMLayer", (), "needs code"),
    ],
)
def test_a_wrong_layer_is_refused_at_its_place(layer: Any, place: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        made(("Flatten", layer))
    found, message = problem(caught.value)
    assert found == ("layers", 1, *place)
    assert said in message


def test_a_list_without_layers_is_refused() -> None:
    with pytest.raises(ValidationError):
        made(())
    assert [p.path for p in made(({"Input": {"shape": (3,)}},)).problems()] == [("layers",)]


def test_a_model_is_written_as_it_was_read() -> None:
    layers = [
        {"Input": {"shape": [28, 28, 1]}},
        {"Conv2D": {"filters": 32, "kernel_size": [3, 3], "activation": "relu", "kernel_regularizer": "l2"}},
        "Flatten",
        {"Dense": {"units": 10, "activation": "softmax", "name": "digits"}},
    ]
    as_parsed = (
        {"Input": {"shape": (28, 28, 1)}},
        {"Conv2D": {"filters": 32, "kernel_size": (3, 3), "activation": "relu", "kernel_regularizer": "l2"}},
        "Flatten",
        {"Dense": {"units": 10, "activation": "softmax", "name": "digits"}},
    )
    assert made(as_parsed).plain() == {"type": "sequential", "numeric_embedding": "none", "layers": layers}


@pytest.mark.tensorflow
def test_the_first_layer_after_input_gets_the_vectors_of_the_numbers() -> None:
    numbers = tuple(Continuous(place, (0.0, 1.0)) for place in (0, 2))
    features = Features("sequence", (5, 3), continuous=numbers)
    embedding = PiecewiseLinear(type="piecewise_linear", size=4)
    layers: Any = ({"Input": {"shape": (5, 3)}}, {"Reshape": {"target_shape": (5 * (2 * 4 + 1),)}}, dense(10))
    model = Sequential(layers=layers, numeric_embedding=embedding)
    assert not list(model.misfits(features))
    assert model.build(features, TEN).get_layer("2_dense").kernel.shape == (45, 10)
    (problem,) = Sequential(layers=layers).misfits(features)
    assert problem.path == ("layers", 1, "Reshape", "target_shape")
    unknown = Features("sequence", (5, 3))  # before the data is loaded
    assert not list(model.misfits(unknown))


def test_two_layers_of_one_name_and_a_late_input_are_problems() -> None:
    model = made((dense(3, name="a"), dense(3, name="a"), {"Input": {"shape": (3,)}}))
    assert [p.path for p in model.problems()] == [("layers", 1, "Dense", "name"), ("layers", 2)]


@pytest.mark.parametrize(
    ("layers", "activation"),
    [
        ((dense(10),), "linear"),
        ((dense(10, activation="softmax"),), "softmax"),
        ((dense(10), {"Activation": {"activation": "sigmoid"}}), "sigmoid"),
        ((dense(10), "Softmax"), "softmax"),
        ((dense(10), "ReLU", {"Dropout": {"rate": 0.1}}), "relu"),
        ((dense(10, activation="tanh"), "BatchNormalization"), "linear"),
        (({"LSTM": {"units": 3}},), "tanh"),
        (({"Bidirectional": {"layer": {"GRU": {"units": 3, "activation": "relu"}}}},), "relu"),
        ((conv(10, activation="softmax"), "GlobalAveragePooling2D"), "softmax"),
    ],
)
def test_the_output_activation_comes_from_the_last_layer_with_an_activation(layers: Any, activation: str) -> None:
    assert made(layers).final_activation(TEN) == activation


@pytest.mark.parametrize(
    ("layers", "target", "path"),
    [
        ((dense(9),), TEN, ("layers", 0, "Dense", "units")),
        ((dense(2),), ONE, ("layers", 0, "Dense", "units")),
        ((dense(64), dense(9), "Softmax"), TEN, ("layers", 1, "Dense", "units")),
        ((conv(9), "GlobalAveragePooling2D"), TEN, ("layers", 0, "Conv2D", "filters")),
        ((dense(1, activation="softmax"),), ONE, ("layers", 0, "Dense", "activation")),
    ],
)
def test_an_output_that_does_not_fit_the_target_is_a_misfit(layers: Any, target: Target, path: tuple[Any, ...]) -> None:
    assert [p.path for p in made(layers).misfits_target(target)] == [path]


def test_an_output_that_fits_the_target_is_not_a_misfit() -> None:
    assert not list(made(CNN).misfits_target(TEN))
    assert not list(made((conv(5), "Flatten")).misfits_target(TEN))  # its width is not known without features
    assert not list(made((dense(1, activation="sigmoid"),)).misfits_target(ONE))


def test_a_tutorial_has_no_misfits_and_its_input_is_checked() -> None:
    assert misfits(*CNN) == []
    assert misfits({"Input": {"shape": (28, 28, 1)}}, *CNN) == []
    assert misfits({"Input": {"shape": (None, None, 1)}}, *CNN) == []
    (found,) = misfits({"Input": {"shape": (32, 32, 3)}}, *CNN)
    assert found.path == ("layers", 0, "Input", "shape")


@pytest.mark.parametrize(
    ("layers", "features", "path"),
    [
        (CNN, Features("image", (8, 8, 1)), ("layers", 3, "MaxPooling2D", "pool_size")),
        (CNN, Features("image", (3, 3, 1)), ("layers", 1, "MaxPooling2D", "pool_size")),
        (CNN, Features("vector", (784,)), ("layers", 0, "Conv2D")),
        ((conv(8), dense(10)), MNIST, ("layers", 1)),
        (({"Reshape": {"target_shape": (28, 27)}},), MNIST, ("layers", 0, "Reshape", "target_shape")),
        ((conv(8, groups=3),), MNIST, ("layers", 0, "Conv2D", "groups")),
        ((conv(8, strides=2, dilation_rate=2),), MNIST, ("layers", 0, "Conv2D", "dilation_rate")),
        (({"LSTM": {"units": 8}},), MNIST, ("layers", 0, "LSTM")),
        (({"Cropping2D": {"cropping": 14}},), MNIST, ("layers", 0, "Cropping2D", "cropping")),
        (({"Embedding": {"input_dim": 9, "output_dim": 4}},), MNIST, ("layers", 0, "Embedding")),
        (
            ({"Embedding": {"input_dim": 9, "output_dim": 4}},),
            Features("tokens", (20,), 10),
            ("layers", 0, "Embedding", "input_dim"),
        ),
        (
            ({"TimeDistributed": {"layer": {"Conv2D": {"filters": 2, "kernel_size": 9}}}},),
            Features("image", (4, 4, 1)),
            ("layers", 0, "TimeDistributed", "layer", "Conv2D"),
        ),
    ],
)
def test_a_layer_that_does_not_accept_its_input_is_found(
    layers: Any, features: Features, path: tuple[Any, ...]
) -> None:
    assert [p.path for p in misfits(*layers, features=features)] == [path]


# --- with TensorFlow ---


@pytest.mark.tensorflow
def test_the_mnist_tutorial_has_its_93322_parameters_and_names_from_the_spec() -> None:
    model = made(({"Input": {"shape": (28, 28, 1)}}, *CNN)).build(MNIST, TEN)
    assert model.count_params() == 93_322
    assert [layer.name for layer in model.layers] == [
        "features", "1_conv2d", "2_max_pooling2d", "3_conv2d", "4_max_pooling2d", "5_conv2d", "6_flatten", "7_dense",
        "8_dense",
    ]  # fmt: skip


@pytest.mark.tensorflow
def test_a_text_tutorial_has_the_parameters_of_its_formula() -> None:
    model = made(
        (
            {"Embedding": {"input_dim": 100, "output_dim": 16, "mask_zero": True}},
            {"Bidirectional": {"layer": {"LSTM": {"units": 8, "return_sequences": True}}}},
            {"Bidirectional": {"layer": {"LSTM": {"units": 4}}, "merge_mode": "sum"}},
            dense(1, activation="sigmoid", name="answer"),
        )
    )
    features = Features("tokens", (20,), 100)
    built = model.build(features, ONE)
    lstm = 4 * 8 * (16 + 8 + 1) * 2 + 4 * 4 * (16 + 4 + 1) * 2
    assert built.count_params() == 100 * 16 + lstm + 5
    assert list(model.misfits(features)) == []
    assert built.input.dtype == "int32"
    assert built.layers[-1].name == "answer"
    assert built.variables[1].path == "2_bidirectional/forward_lstm/lstm_cell/kernel"


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "end", [(dense(10),), (dense(10), "Softmax"), ({"Bidirectional": {"layer": {"LSTM": {"units": 5}}}},)]
)
def test_the_output_is_float32_under_every_precision(end: Any) -> None:
    import keras

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        before: Any = "Identity" if "Bidirectional" in end[0] else "Flatten"
        model = made((before, *end)).build(Features("sequence", (5, 4)), TEN)
    finally:
        keras.config.set_dtype_policy(policy)
    assert model.output.dtype == "float32"
    assert model.layers[1].compute_dtype == "bfloat16"


@pytest.mark.tensorflow
def test_arguments_of_a_layer_reach_keras() -> None:
    layer = dense(
        3,
        kernel_initializer={"type": "constant", "value": 2.0},
        kernel_regularizer={"type": "l1", "l1": 0.25},
        trainable=False,
    )
    built = made((layer,)).build(Features("vector", (2,)), TEN).layers[-1]
    assert built.kernel.numpy().tolist() == [[2.0] * 3] * 2
    assert float(built.kernel_regularizer(built.kernel)) == 3.0
    assert not built.trainable


SHAPES = {"1D": (12, 4), "2D": (12, 12, 4), "3D": (8, 8, 8, 4)}
SAMPLES = {
    "kernel_size": 3, "filters": 8, "pool_size": 2, "units": 5, "rate": 0.1, "output_size": 3, "stddev": 0.1, "n": 3,
    "layer": {"Dense": {"units": 3}}, "height": 6, "width": 6, "scale": 2.0, "factor": 0.2, "activation": "tanh",
    "height_factor": 0.1, "width_factor": 0.1, "input_dim": 10, "output_dim": 4, "target_shape": (-1, 4),
    "dims": (2, 1, 3),
}  # fmt: skip
SPECIAL: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "Bidirectional": ({"layer": {"LSTM": {"units": 3}}}, (12, 4)),
    "LSTM": ({"units": 5, "return_sequences": True}, (12, 4)),
    "GRU": ({"units": 5}, (12, 4)),
    "SimpleRNN": ({"units": 5}, (12, 4)),
    "TimeDistributed": ({"layer": {"Dense": {"units": 3}}}, (12, 4)),
    "ConvLSTM1D": ({"filters": 3, "kernel_size": 3}, (5, 12, 4)),
    "ConvLSTM2D": ({"filters": 3, "kernel_size": 3}, (5, 12, 12, 4)),
    "ConvLSTM3D": ({"filters": 3, "kernel_size": 3}, (5, 8, 8, 8, 4)),
    "RepeatVector": ({"n": 3}, (4,)),
    "Embedding": ({"input_dim": 10, "output_dim": 4}, (6,)),
    "EinsumDense": ({"equation": "abcd,de->abce", "output_shape": (None, None, 3)}, (12, 12, 4)),
    "GroupNormalization": ({"groups": 2}, (12, 12, 4)),
    "CategoryEncoding": ({"num_tokens": 10}, (6,)),
    "MelSpectrogram": ({"fft_length": 64, "sequence_stride": 32, "num_mel_bins": 8}, (256,)),
    "RandomPosterization": ({"factor": 4}, (12, 12, 3)),
}
IMAGE = ("Random", "AugMix", "RandAugment", "AutoContrast", "Contrast", "Equalization", "Solarization")


def sample(name: str) -> tuple[LayerPart, tuple[int, ...]]:
    if name in SPECIAL:
        arguments, shape = SPECIAL[name]
    else:
        shape = next((shape for axes, shape in SHAPES.items() if axes in name), (12, 12, 4))
        shape = (12, 12, 3) if name.startswith(IMAGE) else shape
        required = {argument.name for argument in _entry(name).arguments if argument.required}
        arguments = {key: SAMPLES[key] for key in required}
    part = parse_part("layers", {name: arguments})
    assert isinstance(part, LayerPart)
    return part, shape


def _entry(name: str) -> Any:
    from dlrun.keras_table import find_entry

    return find_entry("layers", name)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", [name for name in entry_names("layers") if name != "Input"])
def test_each_layer_of_the_table_builds_runs_and_has_the_predicted_shape(name: str) -> None:
    import keras
    import numpy as np

    layer, shape = sample(name)
    built = layer.build(name="it")
    given = np.ones((2, *shape), "int32" if name in {"Embedding", "CategoryEncoding"} else "float32")
    output = keras.ops.convert_to_numpy(built(given))
    assert layer_shape(layer, shape) in (None, output.shape[1:])
    if name.startswith(
        ("Conv1D", "Conv2D", "Conv3D", "MaxP", "Aver", "Glob", "Dense", "Zero", "Crop", "UpS", "LSTM", "Bi")
    ):
        assert layer_shape(layer, shape) is not None


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ({"Conv1D": {"filters": 3, "kernel_size": 5, "padding": "causal", "strides": 2}}, (13, 4)),
        ({"Conv2D": {"filters": 3, "kernel_size": (3, 5), "strides": (2, 3)}}, (13, 17, 4)),
        ({"Conv2D": {"filters": 3, "kernel_size": 3, "dilation_rate": 3}}, (13, 17, 4)),
        ({"Conv2D": {"filters": 3, "kernel_size": 3, "padding": "same", "strides": 4}}, (13, 17, 4)),
        ({"SeparableConv2D": {"filters": 3, "kernel_size": 3}}, (13, 17, 4)),
        ({"DepthwiseConv2D": {"kernel_size": 3, "depth_multiplier": 2}}, (13, 17, 4)),
        ({"Conv2DTranspose": {"filters": 3, "kernel_size": 3, "strides": 2}}, (5, 6, 4)),
        ({"Conv2DTranspose": {"filters": 3, "kernel_size": 2, "strides": 3}}, (5, 6, 4)),
        ({"Conv2DTranspose": {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}}, (5, 6, 4)),
        ({"AveragePooling2D": {"pool_size": 3, "strides": 2, "padding": "same"}}, (13, 17, 4)),
        ({"MaxPooling1D": {"pool_size": (3,)}}, (13, 4)),
        ({"GlobalMaxPooling2D": {"keepdims": True}}, (13, 17, 4)),
        ({"ZeroPadding2D": {"padding": ((1, 2), (3, 4))}}, (13, 17, 4)),
        ({"ZeroPadding1D": {"padding": (1, 2)}}, (13, 4)),
        ({"Cropping1D": {"cropping": (1, 2)}}, (13, 4)),
        ({"Cropping2D": {"cropping": (1, 2)}}, (13, 17, 4)),
        ({"UpSampling2D": {"size": (2, 3)}}, (5, 6, 4)),
        ({"Reshape": {"target_shape": (-1, 8)}}, (4, 6)),
        ({"Bidirectional": {"layer": {"GRU": {"units": 3, "return_sequences": True}}, "merge_mode": "ave"}}, (5, 4)),
        ({"TimeDistributed": {"layer": {"Conv2D": {"filters": 3, "kernel_size": 3}}}}, (5, 8, 8, 2)),
    ],
)
def test_shapes_are_predicted_for_every_kind_of_window(value: Any, shape: tuple[int, ...]) -> None:
    import numpy as np

    layer = parse_part("layers", value)
    assert isinstance(layer, LayerPart)
    assert layer_shape(layer, shape) == tuple(layer.build(name="it")(np.ones((2, *shape), "float32")).shape[1:])
