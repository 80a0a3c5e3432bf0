"""How much each column matters."""

from typing import Any

import numpy as np
import pytest

from dlrun.scoring.importances import change_of, loss_of, permutation_importances
from dlrun.signature import Target

VALUES = Target("values", 1, encoding="value")


def test_the_decisive_column_is_the_most_important_and_others_are_not() -> None:
    stored = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    truth = 2 * stored[:, 1]
    measure = loss_of(truth, VALUES)
    columns = {"a": (0,), "b": (1,), "both": (0, 2)}
    found = permutation_importances(lambda rows: 2 * rows[:, 1:2], stored, columns, measure=measure)
    assert measure.name == "RMSE"
    assert found[0].column == "b"
    assert found[0].mean == pytest.approx(2 * np.sqrt(2), rel=0.2)
    assert [each.mean for each in found[1:]] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("target", "truth", "outputs"),
    [
        (Target("classes", 2), np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]])),
        (Target("labels", 2), np.array([[1, 0], [0, 1]]), np.array([[0.9, 0.1], [0.2, 0.8]])),
        (Target("values", 2, encoding="value"), np.array([[0.0, 5.0], [1.0, 9.0]]), np.array([[0.1, 5.5], [0.9, 8.0]])),
    ],
)
def test_a_measure_grows_when_predictions_get_worse(target: Target, truth: Any, outputs: Any) -> None:
    measure = loss_of(truth, target)
    assert measure(outputs) < measure(outputs[::-1])
    moved = change_of(outputs)
    assert moved(outputs) == 0 < moved(outputs[::-1])


COLUMNS = Target.of_columns({"a": ("x", "y"), "b": ("u", "v", "w")})


@pytest.mark.parametrize(
    ("target", "truth", "output", "said"),
    [
        (Target("classes", 3, ("x", "y", "z")), np.array([0, 2]), 2, "log loss of z"),
        (Target("labels", 3, ("x", "y", "z")), np.array([[1, 1, 0], [1, 0, 1]]), 2, "log loss of z"),
        (COLUMNS, np.array([[0, 1], [1, 2]]), 4, "log loss of b=w"),
        (Target("values", 2, encoding="value", names=("p", "q")), np.array([[5.0, 0.1], [5.0, 0.9]]), 1, "RMSE of q"),
        (Target("values", 1, encoding="value"), np.array([0.1, 0.9]), 0, "RMSE"),
    ],
)
def test_a_measure_of_one_output_ignores_the_others(target: Target, truth: Any, output: int, said: str) -> None:
    outputs = np.full((2, target.size), 0.5)
    outputs[:, output] = [0.1, 0.9]
    others = np.random.default_rng(0).random(outputs.shape)
    others[:, output] = outputs[:, output]
    measure = loss_of(truth, target, output)
    assert measure.name == said
    assert measure(outputs) == measure(others) < measure(outputs[::-1])
    moved = change_of(outputs, output)
    assert moved(others) == 0 < moved(outputs[::-1])


def test_the_interval_holds_the_importance_and_shrinks_with_the_examples() -> None:
    random = np.random.default_rng(0)

    def width(examples: int) -> float:
        stored = random.normal(size=(examples, 2)).astype(np.float32)
        truth = stored[:, 0] + random.normal(size=examples)
        measure = loss_of(truth, VALUES)
        found = permutation_importances(lambda rows: rows[:, :1], stored, {"a": (0,), "b": (1,)}, measure=measure)
        used, unused = found
        assert used.low is not None
        assert used.high is not None
        # RMSE is sqrt(1 + 2) = 1.73 with shuffled values, and 1 with the own ones.
        assert used.low < np.sqrt(3) - 1 < used.high
        assert used.low < used.mean < used.high
        assert (unused.low, unused.high) == (0.0, 0.0)
        return used.high - used.low

    small, large = width(200), width(3200)
    assert small == pytest.approx(4 * large, rel=0.5)


def test_an_example_without_weight_counts_neither_in_the_importance_nor_in_its_interval() -> None:
    stored = np.random.default_rng(0).normal(size=(100, 1)).astype(np.float32)
    truth = np.where(np.arange(100) < 50, stored[:, 0], 1e6)
    weights = (np.arange(100) < 50).astype(np.float32)
    measure = loss_of(truth, VALUES, weights=weights)
    (found,) = permutation_importances(lambda rows: rows, stored, {"a": (0,)}, measure=measure)
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < found.mean < found.high < 10
