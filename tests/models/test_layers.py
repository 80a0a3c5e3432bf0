import typing
from typing import Any

import pytest
from pydantic import ValidationError

from dlrun.models.cnn import Cnn
from dlrun.models.layers import Activation, Initializer
from dlrun.models.mlp import Mlp
from dlrun.signature import Features, Target

IMAGE = Features("image", (4, 4, 1))


CLASSES = Target("classes", 3)


def test_unknown_activation_lists_the_choices() -> None:
    with pytest.raises(ValidationError, match="'relu', 'relu6'"):
        Mlp(units=(8,), activation="rleu")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "value"),
    [("dropout", 1.0), ("dropout", -0.1), ("l1", -1.0), ("l2", float("inf")), ("units", ()), ("units", (0,))],
)
def test_value_out_of_range_is_an_error(key: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        Mlp(**{"units": (8,), key: value})
    assert [error["loc"][0] for error in caught.value.errors()] == [key]


def test_list_with_one_bad_item_is_one_error_and_an_empty_list_is_reported() -> None:
    with pytest.raises(ValidationError) as caught:
        Cnn(blocks=({"filters": 4, "kernel_sise": 3},))  # type: ignore[arg-type]
    assert [error["loc"] for error in caught.value.errors()] == [("blocks", 0, "kernel_sise")]
    with pytest.raises(ValidationError, match="at least one"):
        Cnn(blocks=())
    assert Mlp.model_json_schema()["properties"]["units"]["minItems"] == 1


@pytest.mark.tensorflow
def test_activations_are_those_of_keras_that_keep_the_shape_and_need_no_argument() -> None:
    import keras

    aliases, others = {"hard_swish", "swish"}, {"glu", "threshold"}
    names = {name for name in vars(keras.activations) if name.islower() and not name.startswith("_")}
    assert set(typing.get_args(Activation)) == names - {"get", "serialize", "deserialize"} - aliases - others
    for name in typing.get_args(Activation):
        assert keras.activations.get(name)(keras.ops.ones((2, 3))).shape == (2, 3)


@pytest.mark.tensorflow
def test_initializers_are_those_of_keras_that_suit_every_kernel() -> None:
    import keras

    others = {"constant", "identity", "stft"}
    names = {name for name in vars(keras.initializers) if name.islower() and not name.startswith("_")}
    assert set(typing.get_args(Initializer)) == names - {"get", "serialize", "deserialize"} - others
    for name in typing.get_args(Initializer):
        for shape in ((3,), (5, 2), (3, 3, 2, 4)):
            if name != "orthogonal" or len(shape) > 1:
                assert keras.initializers.get(name)(shape).shape == shape


@pytest.mark.tensorflow
def test_group_is_dense_then_normalization_then_activation_then_dropout() -> None:
    model = Mlp(units=(8,), batch_normalization=True, dropout=0.5).build(IMAGE, CLASSES)
    group = ["dense_1", "dense_1_batch_normalization", "dense_1_activation", "dense_1_dropout"]
    assert [layer.name for layer in model.layers] == ["features", "flatten", *group, "head"]
    dense = model.get_layer("dense_1")
    assert (dense.activation.__name__, dense.use_bias) == ("linear", True)


@pytest.mark.tensorflow
def test_penalty_counts_hidden_kernels_only() -> None:
    import keras

    model = Mlp(units=(8, 5), l1=0.25, l2=0.5).build(IMAGE, CLASSES)
    kernels = [model.get_layer(name).kernel.numpy() for name in ("dense_1", "dense_2")]
    expected = sum(0.25 * abs(kernel).sum() + 0.5 * (kernel**2).sum() for kernel in kernels)
    assert float(keras.ops.sum(keras.ops.stack(model.losses))) == pytest.approx(expected, rel=1e-5)
