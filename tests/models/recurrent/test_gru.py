import pytest

from dlrun.models.recurrent.gru import Gru
from dlrun.signature import Features, Target

SERIES = Features("sequence", (100, 10))


VALUE = Target("values", 1, encoding="value")


@pytest.mark.tensorflow
def test_layers_are_named_after_their_type_and_number() -> None:
    model = Gru(units=(4, 3), bidirectional=True, head_units=(5,), dropout=0.1).build(SERIES, VALUE)
    names = [layer.name for layer in model.layers]
    assert names == ["features", "gru_1", "gru_2", "dense_1", "dense_1_dropout", "head"]


@pytest.mark.tensorflow
def test_64_units_on_10_values_have_the_expected_number_of_parameters() -> None:
    assert Gru(units=(64,)).build(SERIES, VALUE).count_params() == 3 * (10 * 64 + 64 * 64 + 2 * 64) + 65
