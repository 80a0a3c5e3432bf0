"""A linear shortcut, and where neither it nor a least-squares solution is possible."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dlrun.models.linear import Linear
from dlrun.models.mlp import Mlp
from dlrun.models.recurrent.lstm import Lstm
from dlrun.signature import Features, LastValue, Target

SEQUENCE, TOKENS = Features("sequence", (5, 3)), Features("tokens", (8,), vocabulary_size=20)
VALUE, CLASSES = Target("values", 1, encoding="value"), Target("classes", 3)
SOLVED: dict[str, Any] = {"linear": Linear(solver="least_squares"), "mlp": Mlp(units=(4,), linear_shortcut=True)}


@pytest.mark.parametrize("model", SOLVED.values(), ids=SOLVED)
def test_a_solution_needs_numbers_few_enough_features_and_no_lasso(model: Any) -> None:
    assert not list(model.misfits_target(VALUE))
    assert not list(model.misfits(SEQUENCE))
    (of_classes,) = model.misfits_target(CLASSES)
    assert "only for numbers" in of_classes.what
    (long,) = model.misfits(Features("sequence", (500, 10)))
    assert "5,000 features" in long.what
    assert [problem.path for problem in Linear(solver="least_squares", l1=0.1).problems()] == [("l1",)]
    assert not list(Linear(l1=0.1).problems())


def test_a_shift_invariant_model_needs_a_least_squares_solution_of_a_difference() -> None:
    assert [problem.path for problem in Linear(shift_invariant=True).problems()] == [("shift_invariant",)]
    invariant = Linear(solver="least_squares", shift_invariant=True)
    assert not list(invariant.problems())
    (without,) = invariant.misfits_target(VALUE)
    assert "difference: true" in without.expected
    assert not list(invariant.misfits_target(replace(VALUE, last=(LastValue(0, 1.0, 0.0),))))


def test_without_a_shortcut_nothing_is_solved() -> None:
    assert (Linear().solved_layer(), Mlp(units=(4,)).solved_layer()) == ("", "")
    assert not list(Linear().misfits_target(CLASSES))
    assert not list(Lstm(units=(2,), embedding_size=3).misfits(TOKENS))
    (of_tokens,) = Lstm(units=(2,), embedding_size=3, linear_shortcut=True).misfits(TOKENS)
    assert of_tokens.path == ("linear_shortcut",)


@pytest.mark.tensorflow
@pytest.mark.parametrize("model", [Mlp(units=(4,), linear_shortcut=True), Lstm(units=(2,), linear_shortcut=True)])
def test_a_network_with_a_shortcut_starts_as_its_linear_function(model: Any) -> None:
    made = model.build(SEQUENCE, VALUE)
    kernel, bias = np.arange(15.0)[:, None], np.array([2.0])
    made.get_layer(model.solved_layer()).set_weights([kernel, bias])
    x = np.random.default_rng(0).random((6, 5, 3), np.float32)
    np.testing.assert_allclose(made(x), x.reshape(6, 15) @ kernel + bias, rtol=1e-5)
