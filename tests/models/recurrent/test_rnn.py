import pytest

from dlrun.models.recurrent.rnn import Rnn
from dlrun.signature import Features, Target

SERIES = Features("sequence", (100, 10))


VALUE = Target("values", 1, encoding="value")


@pytest.mark.tensorflow
def test_image_is_read_row_by_row() -> None:
    import numpy as np

    image = np.random.default_rng(0).random((2, 5, 4, 3)).astype("float32")
    on_images = Rnn(units=(6,)).build(Features("image", (5, 4, 3)), VALUE)
    on_rows = Rnn(units=(6,)).build(Features("sequence", (5, 12)), VALUE)
    on_rows.set_weights(on_images.get_weights())
    np.testing.assert_allclose(on_images(image), on_rows(image.reshape(2, 5, 12)), rtol=1e-6)


@pytest.mark.tensorflow
def test_penalty_counts_both_kernels_of_each_layer() -> None:
    model = Rnn(units=(4,), l2=0.5).build(SERIES, VALUE)
    kernel, recurrent_kernel, _ = (weight.numpy() for weight in model.get_layer("rnn_1").weights)
    expected = sorted([0.5 * (kernel**2).sum(), 0.5 * (recurrent_kernel**2).sum()])
    assert sorted(float(loss) for loss in model.losses) == pytest.approx(expected, rel=1e-5)


@pytest.mark.tensorflow
def test_64_units_on_10_values_have_the_expected_number_of_parameters() -> None:
    assert Rnn(units=(64,)).build(SERIES, VALUE).count_params() == 10 * 64 + 64 * 64 + 64 + 65
