"""Phases of a training: what learns in each, how fast, and what has to hold across them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.experiment.resume import resume
from dlrun.experiment.train import train
from dlrun.runs.folder import RunFolder
from dlrun.training.checkpoints.checkpoint import read_checkpoint

pytestmark = pytest.mark.tensorflow


def run(folder: Path, phases: list[dict[str, Any]], **keys: Any) -> RunFolder:
    spec = {
        "name": "phases",
        "dataset": {"type": "builtin", "name": "digits", "validation": 0.2},
        "model": {"type": "mlp", "units": [6], "dropout": 0.1},
        "optimizer": keys.pop("optimizer", {"type": "adam", "learning_rate": 0.01}),
        "schedule": keys.pop("schedule", "constant"),
        "loss": "sparse_categorical_crossentropy",
        "training": {"batch_size": 256, "report": False, "tensorboard": False, "jit": "off", "phases": phases, **keys},
    }
    return train(spec, runs_dir=folder).folder


def logged(folder: RunFolder, key: str) -> list[float]:
    return [value for row in folder.read_metrics() if (value := row[key]) is not None]


def weights(folder: RunFolder) -> dict[str, Any]:
    arrays = read_checkpoint(max(folder.checkpoints.glob("step-*"))).arrays
    return {name.removeprefix("model/"): each for name, each in arrays.items() if name.startswith("model/")}


def test_a_run_that_goes_on_inside_a_phase_or_at_its_begin_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    phases = [
        {"epochs": 1, "trainable": "none"},
        {"trainable": "all", "learning_rate": 0.005, "backbone_learning_rate": 0.001},
    ]
    whole = run(tmp_path, phases, epochs=3).read_record()
    for epochs in (1, 2):  # the second phase has not begun yet, and has taken half of its way
        part = run(tmp_path, phases, epochs=epochs)
        longer = resume(part.path, overrides="training.epochs=3", runs_dir=tmp_path).record
        assert longer["weights_sha256"] == whole.weights_sha256


def test_frozen_layers_stay_as_they_are_and_the_backbone_learns_at_its_own_rate(tmp_path: Path) -> None:
    sgd = {"type": "sgd", "learning_rate": 0.5}
    batch = {"batch_size": 1149, "optimizer": sgd, "epochs": 1}
    equal = weights(run(tmp_path, [{"trainable": "all"}], **batch))
    slower = weights(run(tmp_path, [{"trainable": "all", "backbone_learning_rate": 0.05}], **batch))
    frozen = weights(run(tmp_path, [{"trainable": "none"}], **batch))
    np.testing.assert_array_equal(slower["head/kernel"], equal["head/kernel"])
    assert not np.array_equal(frozen["dense_1/kernel"], equal["dense_1/kernel"])
    moved, less = (each["dense_1/kernel"] - frozen["dense_1/kernel"] for each in (equal, slower))
    np.testing.assert_allclose(less, 0.1 * moved, atol=1e-6)


@pytest.mark.soak
def test_each_phase_has_a_schedule_of_its_own_and_the_best_epoch_is_that_of_all(tmp_path: Path) -> None:
    phases = [{"epochs": 3, "learning_rate": 0.05}, {"epochs": 3, "learning_rate": 1e-9}]
    folder = run(tmp_path, phases, schedule="cosine")
    rates = logged(folder, "learning_rate")
    assert rates[3] == pytest.approx(rates[0] * 1e-9 / 0.05, rel=1e-3)
    assert rates[2] < rates[0]
    record = folder.read_record()
    assert record.best is not None
    assert record.best.value == min(logged(folder, "val_loss"))


@pytest.mark.soak
def test_early_stopping_and_the_plateau_begin_anew_in_the_last_phase(tmp_path: Path) -> None:
    still = {"type": "sgd", "learning_rate": 1e-30}
    stopping = {"patience_epochs": 2, "restore_best": False}
    plateau = {"type": "reduce_on_plateau", "patience_epochs": 1}
    phases: list[dict[str, Any]] = [{"epochs": 4}, {"epochs": 6, "learning_rate": 1e-20}]
    folder = run(tmp_path, phases, optimizer=still, schedule=plateau, early_stopping=stopping)
    rates = logged(folder, "learning_rate")
    # Nothing improves: the first phase lasts its four epochs, and the last one ends after its first epoch and two more.
    assert len(rates) == 4 + 1 + 2
    assert rates[3] < rates[0]
    assert rates[4] == pytest.approx(1e-20)
