import pytest

from dlrun.models.linear import Linear
from dlrun.signature import Features, Target

IMAGE = Features("image", (4, 4, 1))


CLASSES = Target("classes", 3)


@pytest.mark.tensorflow
def test_penalty_of_a_linear_model_counts_its_only_kernel() -> None:
    model = Linear(l2=0.5, kernel_initializer="ones").build(IMAGE, CLASSES)
    assert [float(loss) for loss in model.losses] == [0.5 * 16 * 3]
    assert not Linear().build(IMAGE, CLASSES).losses


@pytest.mark.tensorflow
def test_linear_model_is_w_x_plus_b() -> None:
    import numpy as np

    model = Linear().build(IMAGE, CLASSES)
    kernel, bias = np.arange(48.0).reshape(16, 3), np.array([1.0, 2.0, 3.0])
    model.set_weights([kernel, bias])
    x = np.random.default_rng(0).random((5, 4, 4, 1))
    np.testing.assert_allclose(model(x), x.reshape(5, 16) @ kernel + bias, rtol=1e-5)
