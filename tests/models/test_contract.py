"""The contract of every architecture. Parameter counts are computed by hand, independent of the code."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from dlrun.models import models
from dlrun.signature import Continuous, Features, Target

pytestmark = pytest.mark.tensorflow

IMAGE = Features("image", (9, 7, 2))
VECTOR = Features("vector", (6,))
NUMBERS = Features("vector", (6,), continuous=tuple(Continuous(place, (0.0, 0.5, 1.0)) for place in (0, 1, 3, 4)))
SEQUENCE = Features("sequence", (8, 3))
TOKENS = Features("tokens", (8,), vocabulary_size=20)
CLASSES = Target("classes", 4)
MASK = Target("mask", 3)
BINARY = Target("classes", 2).with_encoding("binary")
VALUE = Target("values", 1, encoding="value")
ON_INPUT = "reconstruction"


@dataclass(frozen=True)
class Case:
    """One model, what it is built for, and the number of its parameters by hand."""

    model: str
    keys: dict[str, Any]
    features: Features
    target: Target
    parameters: int

    def __str__(self) -> str:
        return f"{self.model}-{self.features.kind}-{'-'.join(self.keys)}"

    def build(self) -> Any:
        component = models.find(self.model)
        assert component is not None
        return component(**self.keys).build(self.features, self.target)


def reconstructing(features: Features, parameters: int, **keys: Any) -> Case:
    return Case("autoencoder", keys, features, Target.of_input(features), parameters)


CONVOLUTIONS = ({"filters": 5, "pool_size": 2}, {"filters": 6, "padding": "same", "strides": (2, 1)})
PBLD = {"type": "periodic", "form": "pbld", "frequencies": 5, "size": 4}
MEMBERS = tuple(
    {"weight": 0.5, "encoding": "index", "activation": "linear", "model": {"type": name, **keys}}
    for name, keys in (("linear", {}), ("mlp", {"units": (5,)}))
)
CASES = (
    Case("linear", {}, IMAGE, CLASSES, 9 * 7 * 2 * 4 + 4),
    Case("ensemble", {"members": MEMBERS}, VECTOR, CLASSES, (6 * 4 + 4) + (6 * 5 + 5) + (5 * 4 + 4)),
    Case("linear", {"l2": 1e-4}, VECTOR, VALUE, 6 + 1),
    Case("mlp", {"units": (16, 8)}, VECTOR, BINARY, (6 * 16 + 16) + (16 * 8 + 8) + (8 + 1)),
    Case("linear", {"solver": "least_squares"}, SEQUENCE, VALUE, 8 * 3 + 1),
    Case("linear", {"bias": False}, VECTOR, VALUE, 6),
    Case("mlp", {"units": (5,), "linear_shortcut": True}, SEQUENCE, VALUE, (24 * 5 + 5) + (5 + 1) + (24 + 1)),
    Case(
        "mlp",
        {"units": (16,), "batch_normalization": True, "dropout": 0.1, "l1": 1e-5, "kernel_initializer": "he_normal"},
        IMAGE,
        CLASSES,
        (126 * 16 + 16) + 4 * 16 + (16 * 4 + 4),
    ),
    Case(
        "mlp",
        {"units": (16,), "numeric_embedding": {"type": "periodic", "frequencies": 5, "size": 3}},
        NUMBERS,
        CLASSES,
        4 * (5 + 10 * 3 + 3) + (4 * 3 + 2) * 16 + 16 + (16 * 4 + 4),
    ),
    # Factors of the features; in each layer a kernel, a bias and the weights of the activation.
    Case(
        "realmlp",
        {"units": (8,), "numeric_embedding": PBLD},
        NUMBERS,
        VALUE,
        4 * (5 + 5 + 5 * 3 + 3) + (4 * 4 + 2) + ((4 * 4 + 2) * 8 + 2 * 8) + (8 + 1),
    ),
    # Scales at the inputs of both layers, kernels, scales and biases at their outputs, and heads.
    Case(
        "tabm",
        {
            "units": (8,),
            "members": 3,
            "dropout": 0.1,
            "numeric_embedding": PBLD,
        },
        NUMBERS,
        BINARY,
        4 * (5 + 5 + 5 * 3 + 3) + 3 * (4 * 4 + 2) + (4 * 4 + 2) * 8 + 2 * 3 * 8 + 3 * (8 + 1),
    ),
    # 9x7 -valid 3-> 7x5 -pool 2-> 3x2 -same, strides 2x1-> 2x2
    Case(
        "cnn",
        {"blocks": CONVOLUTIONS, "head_units": (12,)},
        IMAGE,
        CLASSES,
        (3 * 3 * 2 * 5 + 5) + (3 * 3 * 5 * 6 + 6) + (2 * 2 * 6 * 12 + 12) + (12 * 4 + 4),
    ),
    Case(
        "cnn",
        {"blocks": CONVOLUTIONS, "pooling": "global_average", "batch_normalization": True, "dropout": 0.1},
        IMAGE,
        CLASSES,
        (3 * 3 * 2 * 5 + 5) + 4 * 5 + (3 * 3 * 5 * 6 + 6) + 4 * 6 + (6 * 4 + 4),
    ),
    # 8 -> 8 -pool 2-> 4; the first block has a 1x1 convolution for its input.
    Case(
        "cnn",
        {
            "blocks": ({"filters": 5, "pool_size": 2, "residual": True}, {"filters": 5, "residual": True}),
            "padding": "same",
            "stochastic_depth": 0.1,
        },
        SEQUENCE,
        VALUE,
        (3 * 3 * 5 + 5) + (3 * 5 + 5) + (3 * 5 * 5 + 5) + (4 * 5 + 1),
    ),
    Case(
        "cnn",
        {"blocks": ({"filters": 5, "kernel_size": 2, "pool_size": (2,)},), "pooling": "global_max"},
        SEQUENCE,
        VALUE,
        (2 * 3 * 5 + 5) + (5 + 1),
    ),
    # 8 steps -valid 3-> 6 -pool 2-> 3
    Case(
        "cnn",
        {"embedding_size": 6, "blocks": ({"filters": 5, "pool_size": 2},), "head_units": (4,)},
        TOKENS,
        CLASSES,
        20 * 6 + (3 * 6 * 5 + 5) + (3 * 5 * 4 + 4) + (4 * 4 + 4),
    ),
    # Kernels without bias, four numbers of normalization for each filter, 3 blocks of 2 convolutions in each stage.
    Case(
        "resnet",
        {"depth": 20, "filters": 2, "stochastic_depth": 0.1},
        IMAGE,
        CLASSES,
        (9 * 2 * 2 + 6 * 9 * 2 * 2 + 7 * 4 * 2)
        + (9 * 2 * 4 + 5 * 9 * 4 * 4 + 6 * 4 * 4)
        + (9 * 4 * 8 + 5 * 9 * 8 * 8 + 6 * 4 * 8)
        + (8 * 4 + 4),
    ),
    # Each level adds its input through a 1x1 convolution.
    Case(
        "unet",
        {
            "filters": (4, 6),
            "convolutions": 1,
            "kernel_size": (3, 1),
            "batch_normalization": False,
            "upsampling": "bilinear",
            "residual": True,
        },
        IMAGE,
        MASK,
        (3 * 2 * 4 + 4 + 2 * 4 + 4)
        + (3 * 4 * 6 + 6 + 4 * 6 + 6)
        + (9 * 6 * 4 + 4 + 3 * (4 + 4) * 4 + 4 + (4 + 4) * 4 + 4)
        + (4 * 3 + 3),
    ),
    # 9x7 -> 5x4 -> 3x2, and back; with normalization, only the transposed convolutions and the head have biases.
    Case(
        "unet",
        {"filters": (4, 6, 8), "dropout": 0.05},
        IMAGE,
        MASK,
        (9 * 2 * 4 + 9 * 4 * 4 + 2 * 4 * 4)
        + (9 * 4 * 6 + 9 * 6 * 6 + 2 * 4 * 6)
        + (9 * 6 * 8 + 9 * 8 * 8 + 2 * 4 * 8)
        + (4 * 8 * 6 + 6 + 9 * (6 + 6) * 6 + 9 * 6 * 6 + 2 * 4 * 6)
        + (4 * 6 * 4 + 4 + 9 * (4 + 4) * 4 + 9 * 4 * 4 + 2 * 4 * 4)
        + (4 * 3 + 3),
    ),
    # Each block: query, key, value and output; two dense layers; two normalizations.
    Case(
        "transformer",
        {"width": 8, "heads": 2, "layers": 1, "dropout": 0.05},
        TOKENS,
        CLASSES,
        20 * 8 + 8 * 8 + (4 * (8 * 8 + 8) + (8 * 32 + 32) + (32 * 8 + 8) + 2 * 16) + 16 + (8 * 4 + 4),
    ),
    Case(
        "transformer",
        {"width": 6, "heads": 3, "feedforward_units": 10, "positions": "sinusoidal", "stochastic_depth": 0.1},
        SEQUENCE,
        VALUE,
        (3 * 6 + 6) + 2 * (4 * (6 * 6 + 6) + (6 * 10 + 10) + (10 * 6 + 6) + 2 * 12) + 12 + (6 + 1),
    ),
    Case(
        "transformer",
        {"width": 6, "heads": 1, "layers": 1, "patch_size": (3, 7)},
        IMAGE,
        CLASSES,
        (3 * 7 * 2 * 6 + 6) + 3 * 6 + (4 * (6 * 6 + 6) + (6 * 24 + 24) + (24 * 6 + 6) + 2 * 12) + 12 + (6 * 4 + 4),
    ),
    # Two convolutions with normalization in each block, and a shortcut where the number of channels changes.
    Case(
        "tcn",
        {"filters": (6, 6), "kernel_size": 2, "linear_shortcut": True, "stochastic_depth": 0.1},
        SEQUENCE,
        VALUE,
        (2 * 3 * 6 + 6 + 12) + 3 * (2 * 6 * 6 + 6 + 12) + (3 * 6 + 6) + (6 + 1) + (24 + 1),
    ),
    Case(
        "tcn",
        {"filters": (5,), "embedding_size": 5, "normalization": "batch", "pooling": "global_max", "dropout": 0.1},
        TOKENS,
        CLASSES,
        20 * 5 + 2 * (3 * 5 * 5 + 5 + 20) + (5 * 4 + 4),
    ),
    Case("rnn", {"units": (7,)}, SEQUENCE, VALUE, (3 * 7 + 7 * 7 + 7) + (7 + 1)),
    Case(
        "rnn", {"units": (7, 5), "bidirectional": True}, IMAGE, CLASSES, 2 * 154 + 2 * (14 * 5 + 25 + 5) + (10 * 4 + 4)
    ),
    # Keras' GRU has two biases: the reset gate comes after the recurrent product.
    Case("gru", {"units": (7,)}, SEQUENCE, VALUE, 3 * (3 * 7 + 7 * 7 + 2 * 7) + (7 + 1)),
    Case(
        "gru",
        {"units": (7,), "embedding_size": 6, "mask_zero": True, "bidirectional": True},
        TOKENS,
        BINARY,
        20 * 6 + 2 * 3 * (6 * 7 + 7 * 7 + 2 * 7) + (14 + 1),
    ),
    Case("lstm", {"units": (7,), "l2": 1e-5}, IMAGE, CLASSES, 4 * (14 * 7 + 7 * 7 + 7) + (7 * 4 + 4)),
    Case(
        "lstm",
        {"units": (7, 5), "dropout": 0.05, "recurrent_dropout": 0.05, "head_units": (6,)},
        SEQUENCE,
        VALUE,
        4 * (3 * 7 + 7 * 7 + 7) + 4 * (7 * 5 + 5 * 5 + 5) + (5 * 6 + 6) + (6 + 1),
    ),
    reconstructing(VECTOR, (6 * 4 + 4) + (4 * 6 + 6), latent_units=4),
    reconstructing(
        NUMBERS, 4 * (5 + 5 + 5 * 3 + 3) + (18 * 4 + 4) + (4 * 6 + 6), latent_units=4, numeric_embedding=PBLD
    ),
    reconstructing(IMAGE, 2 * (126 * 16 + 16 * 8) + 16 + 8 + 16 + 126, units=(16,), latent_units=8),
    reconstructing(
        IMAGE,
        (126 * 16 + 16 * 8) + 16 + 8 + 16 + 126,
        units=(16,),
        latent_units=8,
        tied=True,
        output_activation="sigmoid",
    ),
    reconstructing(SEQUENCE, (24 * 9 + 24 + 9) + 0, latent_units=9, tied=True, input_noise=0.01, activity_l1=1e-6),
    # 9x7 -> 5x4 -> 3x2, and back
    reconstructing(
        IMAGE,
        (9 * 2 * 6 + 6) + (9 * 6 * 5 + 5) + (9 * 5 * 6 + 6) + (9 * 6 * 2 + 2),
        encoder="convolutional",
        filters=(6, 5),
    ),
    reconstructing(
        IMAGE,
        (9 * 2 * 6 + 6) + (9 * 6 * 5 + 5) + (30 * 8 + 8) + (8 * 30 + 30) + (9 * 5 * 6 + 6) + (9 * 6 * 2 + 2),
        encoder="convolutional",
        filters=(6, 5),
        latent_units=8,
        output_activation="sigmoid",
    ),
    reconstructing(
        SEQUENCE, (4 * 3 * 6 + 6) + 4 * 0 + (4 * 6 * 3 + 3), encoder="convolutional", filters=(6,), kernel_size=4
    ),
)
EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=str)


def learning_cases() -> Iterator[Any]:
    """Every case; those after the first of an architecture, and of an encoder, are for `make soak`.

    So are those of the deepest one: the smallest ResNet has 18 layers.
    """
    seen = {("resnet", None)}
    for case in CASES:
        kind = (case.model, case.keys.get("encoder"))
        yield pytest.param(case, id=str(case), marks=[pytest.mark.soak] if kind in seen else [])
        seen.add(kind)


def examples(case: Case) -> tuple[Any, Any]:
    """32 examples made of three hidden numbers each, which the target follows from."""
    random = np.random.default_rng(0)
    hidden = random.normal(size=(32, 3)).astype("float32")
    features = np.tanh(hidden @ random.normal(size=(3, case.features.size))).reshape(32, *case.features.shape)
    features = 0.5 + 0.5 * features.astype("float32")
    if case.features.kind == "tokens":
        features = np.floor(features * 19).astype("int32") + 1
    if case.target.kind == "mask":
        brightness = features.mean(axis=-1)
        return features, np.digitize(brightness, np.quantile(brightness, (1 / 3, 2 / 3))).astype("int32")
    match case.target.encoding:
        case "index":
            return features, np.argmax(hidden @ random.normal(size=(3, case.target.size)), axis=1).astype("int32")
        case "binary":
            return features, (hidden[:, :1] > 0).astype("float32")
        case _:
            return features, features if case.target.kind == "input" else hidden[:, :1]


def loss_for(case: Case) -> Any:
    import keras

    from dlrun.training.step.by_member import MembersLoss

    loss: Any = keras.losses.MeanSquaredError()
    if case.target.encoding == "index":
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    elif case.target.encoding == "binary":
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
    component = models.find(case.model)
    assert component is not None
    return MembersLoss(loss, is_of_batch=False) if component.trains_members else loss


@pytest.fixture
def mixed_bfloat16() -> Iterator[None]:
    import keras

    before = keras.config.dtype_policy()
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    keras.mixed_precision.set_global_policy(before)


def test_every_architecture_has_a_case() -> None:
    has_tests_of_its_own = {"graph", "pretrained", "sequential"}
    built_in = {name for name in models.names() if "dlrun/models/" in models.origin(name).replace("\\", "/")}
    assert built_in - has_tests_of_its_own == {case.model for case in CASES}


@EVERY_CASE
def test_parameter_count_matches_the_hand_computation(case: Case) -> None:
    assert case.build().count_params() == case.parameters


@EVERY_CASE
def test_output_is_float32_in_the_shape_of_the_target(case: Case) -> None:
    features, _ = examples(case)
    output = case.build()(features)
    shapes = {"input": case.features.shape, "mask": (*case.features.shape[:-1], case.target.units)}
    shape = shapes.get(case.target.kind, (case.target.units,))
    assert (output.shape, output.dtype.name) == ((32, *shape), "float32")


@EVERY_CASE
def test_two_builds_in_one_process_have_the_same_names(case: Case) -> None:
    first, second = case.build(), case.build()
    assert (first.name, [layer.name for layer in first.layers]) == (
        second.name,
        [layer.name for layer in second.layers],
    )
    assert not [
        layer.name for layer in first.layers if layer.name.startswith(("dense", "conv")) and "_" not in layer.name
    ]


@EVERY_CASE
def test_weights_transfer_between_two_builds_by_path(case: Case) -> None:
    features, _ = examples(case)
    first, second = case.build(), case.build()
    stored = {weight.path: weight.numpy() for weight in first.weights}
    assert len(stored) == len(first.weights)
    for weight in second.weights:
        weight.assign(stored[weight.path])
    np.testing.assert_array_equal(first(features), second(features))


@EVERY_CASE
def test_keras_rebuilds_the_model_from_its_config(case: Case) -> None:
    import keras

    features, _ = examples(case)
    first = case.build()
    second = keras.Model.from_config(first.get_config())
    second.set_weights(first.get_weights())
    np.testing.assert_array_equal(first(features), second(features))


@EVERY_CASE
@pytest.mark.usefixtures("mixed_bfloat16")
def test_only_the_last_layers_are_float32_under_mixed_precision(case: Case) -> None:
    import keras

    keras.utils.set_random_seed(1)  # or, once in a while, every relu before the head gives zero
    features, _ = examples(case)
    model = case.build()
    for weight in model.weights:  # a head of zeros gives zeros, which every precision has
        if not keras.ops.any(weight):
            weight.assign(keras.ops.full(weight.shape, 0.1))
    output = model(features)
    assert output.dtype.name == "float32"
    assert keras.ops.any(output != keras.ops.cast(keras.ops.cast(output, "bfloat16"), "float32"))
    # The input of a least-squares solution is not rounded either.
    precise = ("head", "reconstruction", "output", "shortcut", "numeric_embedding", "log_mean")
    inner = [layer for layer in model.layers[1:] if not any(part in layer.name for part in precise)]
    assert {layer.compute_dtype for layer in inner if layer.name != "code_penalty"} <= {"bfloat16"}
    assert {weight.dtype for weight in model.weights} == {"float32"}


@pytest.mark.parametrize("case", learning_cases())
def test_loss_on_32_examples_halves_in_80_steps(case: Case) -> None:
    import keras

    keras.utils.set_random_seed(1)
    features, target = examples(case)
    model = case.build()
    model.compile(keras.optimizers.Adam(0.02), loss_for(case))
    losses = [float(model.train_on_batch(features, target)) for _ in range(80)]  # an epoch of `fit` costs more
    assert losses[-1] < losses[0] / 2
