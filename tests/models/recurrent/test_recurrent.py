from typing import Any

import pytest

from dlrun.models.recurrent.lstm import Lstm
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
@pytest.mark.parametrize("mask_zero", [True, False])
def test_padding_has_no_effect_only_if_it_is_masked(mask_zero: Any) -> None:
    import numpy as np

    model = Lstm(units=(4,), embedding_size=5, mask_zero=mask_zero, kernel_initializer="ones").build(TOKENS, VALUE)
    short = model(np.array([[3, 7, 0, 0, 0, 0]]))
    longer = model(np.array([[0, 3, 0, 7, 0, 0]]))
    assert np.allclose(short, longer) is mask_zero
