from typing import Any

import pytest

from dlrun.models.gru import Gru
from dlrun.models.lstm import Lstm
from dlrun.models.recurrent import Recurrent
from dlrun.models.rnn import Rnn
from dlrun.signature import Features, Target

SERIES = Features("sequence", (100, 10))
TOKENS = Features("tokens", (6,), vocabulary_size=30)
VALUE = Target("values", 1, encoding="value")


def test_token_ids_need_an_embedding() -> None:
    (problem,) = Lstm(units=(4,)).misfits(TOKENS)
    assert (problem.path, problem.hint) == ((), "embedding_size: 64")
    assert not list(Lstm(units=(4,), embedding_size=8, mask_zero=True).misfits(TOKENS))


def test_embedding_of_anything_but_token_ids_is_a_problem_and_not_ignored() -> None:
    problems = list(Lstm(units=(4,), embedding_size=8, mask_zero=True).misfits(SERIES))
    assert [problem.path for problem in problems] == [("embedding_size",), ("mask_zero",)]
    assert not list(Lstm(units=(4,)).misfits(SERIES))


def test_unsupported_kind_of_features_is_left_to_the_checker() -> None:
    assert not list(Lstm(units=(4,), embedding_size=8).misfits(Features("vector", (3,))))


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (Lstm(units=(64,)), 19_265),
        (Rnn(units=(64,)), 10 * 64 + 64 * 64 + 64 + 65),
        (Gru(units=(64,)), 3 * (10 * 64 + 64 * 64 + 2 * 64) + 65),
        (Lstm(units=(64,), bidirectional=True), 2 * 4 * (10 * 64 + 64 * 64 + 64) + 129),
    ],
    ids=["lstm", "rnn", "gru", "bidirectional"],
)
def test_64_units_on_10_values_have_the_expected_number_of_parameters(model: Recurrent, parameters: int) -> None:
    assert model.build(SERIES, VALUE).count_params() == parameters


@pytest.mark.tensorflow
def test_arguments_without_a_key_keep_the_defaults_of_keras() -> None:
    import keras

    own = Lstm(units=(64,)).build(SERIES, VALUE).get_layer("lstm_1").get_config()
    theirs = keras.layers.LSTM(64, name="lstm_1").get_config()
    assert {key: own[key] for key in theirs} == theirs


@pytest.mark.tensorflow
def test_layers_are_named_after_their_type_and_number() -> None:
    model = Gru(units=(4, 3), bidirectional=True, head_units=(5,), dropout=0.1).build(SERIES, VALUE)
    names = [layer.name for layer in model.layers]
    assert names == ["features", "gru_1", "gru_2", "dense_1", "dense_1_dropout", "head"]


@pytest.mark.tensorflow
def test_image_is_read_row_by_row() -> None:
    import numpy as np

    image = np.random.default_rng(0).random((2, 5, 4, 3)).astype("float32")
    on_images = Rnn(units=(6,)).build(Features("image", (5, 4, 3)), VALUE)
    on_rows = Rnn(units=(6,)).build(Features("sequence", (5, 12)), VALUE)
    on_rows.set_weights(on_images.get_weights())
    np.testing.assert_allclose(on_images(image), on_rows(image.reshape(2, 5, 12)), rtol=1e-6)


@pytest.mark.tensorflow
@pytest.mark.parametrize("mask_zero", [True, False])
def test_padding_has_no_effect_only_if_it_is_masked(mask_zero: Any) -> None:
    import numpy as np

    model = Lstm(units=(4,), embedding_size=5, mask_zero=mask_zero, kernel_initializer="ones").build(TOKENS, VALUE)
    short = model(np.array([[3, 7, 0, 0, 0, 0]]))
    longer = model(np.array([[0, 3, 0, 7, 0, 0]]))
    assert np.allclose(short, longer) is mask_zero


@pytest.mark.tensorflow
def test_penalty_counts_both_kernels_of_each_layer() -> None:
    model = Rnn(units=(4,), l2=0.5).build(SERIES, VALUE)
    kernel, recurrent_kernel, _ = (weight.numpy() for weight in model.get_layer("rnn_1").weights)
    expected = sorted([0.5 * (kernel**2).sum(), 0.5 * (recurrent_kernel**2).sum()])
    assert sorted(float(loss) for loss in model.losses) == pytest.approx(expected, rel=1e-5)
