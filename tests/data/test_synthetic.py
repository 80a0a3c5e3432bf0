from typing import Any

import numpy as np
import pytest

from dlrun.data.synthetic import DECAY, Synthetic

TASKS: tuple[Any, ...] = ("binary", "linear", "sequence")


def _whole(source: Synthetic) -> tuple[Any, Any]:
    split = source.load().splits["train"]
    return split.features.astype(np.float64), split.target


@pytest.mark.parametrize("task", TASKS)
def test_a_description_matches_the_generated_data(task: Any) -> None:
    options: dict[str, Any]
    for options in ({}, {"examples": 50, "validation": 0.2}, {"examples": 40, "width": 3, "test": 0}):
        source = Synthetic(task=task, **options)
        described, loaded = source.describe(), source.load()
        assert (described.features, described.target) == (loaded.features, loaded.target)
        assert described.examples == {name: len(split) for name, split in loaded.splits.items()}
        assert loaded.splits["train"].features.shape[1:] == described.features.shape
        assert loaded.splits["train"].features.dtype == np.float32


def test_the_defaults_are_those_of_the_example_configs() -> None:
    assert Synthetic(task="binary").describe().features.shape == (100,)
    assert Synthetic(task="sequence").describe().features.shape == (100, 10)


def test_binary_labels_are_a_plane_with_the_stated_part_swapped() -> None:
    source = Synthetic(task="binary", noise=0.1, test=0)
    features, target = _whole(source)
    weights, _ = source.weights()
    right = ((features @ weights > 0) == target).mean()
    assert right == pytest.approx(0.9, abs=0.01)
    assert np.linalg.norm(weights) == pytest.approx(1, abs=1e-6)
    features, target = _whole(Synthetic(task="binary", noise=0.0, test=0))
    assert ((features @ weights > 0) == target).mean() > 0.999


def test_least_squares_finds_the_weights_and_the_noise_of_the_linear_task() -> None:
    source = Synthetic(task="linear", noise=0.1, test=0)
    features, target = _whole(source)
    found, residual, *_ = np.linalg.lstsq(np.c_[features, np.ones(len(features))], target, rcond=None)
    weights, bias = source.weights()
    assert np.abs(found - [*weights, bias]).max() < 0.006
    assert residual[0] / len(features) == pytest.approx(0.01, rel=0.05)


def test_a_linear_recurrence_explains_a_sequence_up_to_the_noise_and_its_last_step_does_not() -> None:
    source = Synthetic(task="sequence", examples=4000, noise=0.1, test=0)
    features, target = _whole(source)
    weights, _ = source.weights()
    state = np.zeros(len(features))
    for step in range(features.shape[1]):
        state = DECAY * state + features[:, step] @ weights
    exact = np.sqrt(1 - DECAY**2) * state
    assert np.var(target) == pytest.approx(1.01, rel=0.08)
    assert np.mean((target - exact) ** 2) == pytest.approx(0.01, rel=0.1)
    assert np.mean(np.abs(target - exact)) == pytest.approx(0.0798, rel=0.1)
    last = np.sqrt(1 - DECAY**2) * (features[:, -1] @ weights)
    assert np.mean((target - last) ** 2) == pytest.approx(0.82, rel=0.1)


@pytest.mark.parametrize("task", TASKS)
def test_the_same_seed_gives_the_same_data_and_another_seed_other_data(task: Any) -> None:
    first, again, other = (Synthetic(task=task, examples=20, seed=seed).load().fingerprint for seed in (0, 0, 1))
    assert first == again != other


def test_the_best_possible_score_is_reported() -> None:
    assert "accuracy 0.9" in Synthetic(task="binary", examples=20).load().notes[0]
    assert "mse 0.01" in Synthetic(task="linear", examples=20).load().notes[0]


def test_keys_that_do_not_fit_the_task_are_problems() -> None:
    assert [problem.path for problem in Synthetic(task="linear", steps=5).problems()] == [("steps",)]
    assert [problem.path for problem in Synthetic(task="binary", noise=0.5).problems()] == [("noise",)]
    assert [problem.path for problem in Synthetic(task="linear", examples=10, test=10).problems()] == [("test",)]
    assert [problem.path for task in TASKS for problem in Synthetic(task=task).problems()] == []
