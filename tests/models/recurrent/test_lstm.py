import pytest

from dlrun.models.recurrent.lstm import Lstm
from dlrun.signature import Features, Target

SERIES = Features("sequence", (100, 10))


VALUE = Target("values", 1, encoding="value")


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (Lstm(units=(64,)), 19_265),
        (Lstm(units=(64,), bidirectional=True), 2 * 4 * (10 * 64 + 64 * 64 + 64) + 129),
    ],
    ids=["forward", "bidirectional"],
)
def test_64_units_on_10_values_have_the_expected_number_of_parameters(model: Lstm, parameters: int) -> None:
    assert model.build(SERIES, VALUE).count_params() == parameters


@pytest.mark.tensorflow
def test_arguments_without_a_key_keep_the_defaults_of_keras() -> None:
    import keras

    own = Lstm(units=(64,)).build(SERIES, VALUE).get_layer("lstm_1").get_config()
    theirs = keras.layers.LSTM(64, name="lstm_1").get_config()
    assert {key: own[key] for key in theirs} == theirs
