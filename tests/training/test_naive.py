"""Baseline scores equal numbers computed by hand, for every form of target."""

from typing import Any

import numpy as np
import pytest

from dlrun.losses import losses
from dlrun.metrics.metric import metrics
from dlrun.signature import Target

pytestmark = pytest.mark.tensorflow

THREE, TWO = Target("classes", 3), Target("classes", 2)


def component(registry: Any, name: str, **keys: Any) -> Any:
    return registry.find(name)(**keys)


def scores(
    target: Target, loss: str, names: list[str], constant: tuple[float, ...], truth: Any, weight: Any = None
) -> dict[str, float]:
    from dlrun.training.naive import NaiveScores

    made = component(losses, loss)
    naive = NaiveScores(
        made, [component(metrics, name) for name in names], made.settle(target), batch_size=2, constant=constant
    )
    naive.add(np.asarray(truth), None, weight)
    return naive.scores()


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_the_baseline_of_classes_is_their_frequency(loss: str) -> None:
    frequencies, truth = (0.2, 0.5, 0.3), [1, 1, 0, 2, 1]
    found = scores(THREE, loss, ["accuracy", "auc"], frequencies, truth)
    assert found["accuracy"] == pytest.approx(0.6)
    assert found["loss"] == pytest.approx(-np.log(np.array(frequencies)[truth]).mean(), rel=1e-5)


@pytest.mark.parametrize("loss", ["binary_crossentropy", "hinge", "kl_divergence"])
def test_the_baseline_of_two_classes_is_their_frequency_for_every_output_layer(loss: str) -> None:
    found = scores(TWO, loss, ["accuracy", "recall"], (0.7, 0.3), [0, 0, 1, 0])
    assert (found["accuracy"], found["recall"]) == (0.75, 0.0)
    if loss != "hinge":
        assert found["loss"] == pytest.approx(-(3 * np.log(0.7) + np.log(0.3)) / 4, rel=1e-5)


def test_sample_weights_count_in_the_loss_only_as_for_the_model() -> None:
    frequencies, truth, weight = np.array([0.2, 0.5, 0.3]), [1, 1, 0, 2], np.array([0.0, 1.0, 7.0, 2.0])
    found = scores(THREE, "sparse_categorical_crossentropy", ["accuracy"], tuple(frequencies), truth, weight)
    assert found["accuracy"] == 0.5
    assert found["loss"] == pytest.approx((-np.log(frequencies[truth]) * weight).mean(), rel=1e-5)


def test_each_column_and_label_has_its_own_frequencies() -> None:
    columns = Target.of_columns({"a": ("x", "y"), "b": ("p", "q", "r")})
    found = scores(
        columns, "sparse_categorical_crossentropy", ["accuracy"], (0.9, 0.1, 0.2, 0.2, 0.6), [[0, 2], [0, 2], [1, 0]]
    )
    assert found["accuracy"] == pytest.approx(2 / 3)
    found = scores(Target("labels", 2), "binary_crossentropy", ["accuracy"], (0.9, 0.1), [[1, 0], [1, 1], [0, 0]])
    assert found["accuracy"] == pytest.approx(4 / 6)


def test_the_baseline_of_values_is_their_mean_in_the_original_unit() -> None:
    target = Target("values", 1, mean=(1000.0,), scale=(10.0,))
    found = scores(target, "mean_squared_error", ["mean_absolute_error", "r2_score"], (1005.0,), [1000.0, 1010.0])
    assert found["mean_absolute_error"] == pytest.approx(5.0)
    assert found["r2_score"] == pytest.approx(0.0, abs=1e-6)
    assert found["loss"] == pytest.approx(0.25)  # of what the model learns, which is in standard deviations
