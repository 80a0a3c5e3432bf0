import pytest

from dlrun.models.mlp import Mlp
from dlrun.signature import Features, Target

pytestmark = pytest.mark.tensorflow


def test_mnist_mlp_has_101770_parameters() -> None:
    model = Mlp(units=(128,)).build(Features("image", (28, 28, 1)), Target("classes", 10))
    assert model.count_params() == 784 * 128 + 128 + 128 * 10 + 10 == 101_770


def test_binary_mlp_has_8577_parameters_and_one_output() -> None:
    target = Target("classes", 2).with_encoding("binary")
    model = Mlp(units=(64, 32)).build(Features("vector", (100,)), target)
    assert (model.count_params(), model.output_shape) == (8_577, (None, 1))
    assert [layer.name for layer in model.layers] == ["features", "dense_1", "dense_2", "head"]


def test_hidden_layers_apply_the_activation_and_the_initializer() -> None:
    model = Mlp(units=(3,), activation="gelu", kernel_initializer="ones").build(
        Features("vector", (2,)), Target("values", 1, encoding="value")
    )
    dense = model.get_layer("dense_1")
    assert dense.activation.__name__ == "gelu"
    assert dense.kernel.numpy().tolist() == [[1.0] * 3] * 2
