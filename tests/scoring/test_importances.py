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
    measure, name = loss_of(truth, VALUES)
    columns = {"a": (0,), "b": (1,), "both": (0, 2)}
    found = permutation_importances(lambda rows: 2 * rows[:, 1:2], stored, columns, measure=measure)
    assert name == "RMSE"
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
    measure, _ = loss_of(truth, target)
    assert measure(outputs) < measure(outputs[::-1])
    moved, _ = change_of(outputs)
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
    measure, name = loss_of(truth, target, output)
    assert name == said
    assert measure(outputs) == measure(others) < measure(outputs[::-1])
    moved, _ = change_of(outputs, output)
    assert moved(others) == 0 < moved(outputs[::-1])
