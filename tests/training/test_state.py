import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from dlrun.schedules import PlateauState
from dlrun.spec.parse import read_spec
from dlrun.spec.types import EarlyStopping, Spec
from dlrun.training.state import (
    Best,
    EarlyStoppingState,
    TrainingState,
    find_undefined,
    initial_state,
    is_better,
    judge_best,
    judge_early_stopping,
    judge_epoch,
    undefined_text,
)


def epochs_until_stop(values: list[float], rule: EarlyStopping, *, larger_is_better: bool = False) -> tuple[int, str]:
    state = TrainingState()
    for epoch, value in enumerate(values, start=1):
        state = replace(state, epoch=epoch)
        state = judge_early_stopping(state, rule, "val_loss", value, larger_is_better=larger_is_better)
        if state.stopped:
            return epoch, state.stopped
    return 0, ""


@pytest.mark.parametrize(
    ("value", "than", "larger", "min_delta", "better"),
    [
        (1.0, None, False, 0.0, True),
        (1.0, 1.0, False, 0.0, False),
        (0.9, 1.0, False, 0.0, True),
        (0.95, 1.0, False, 0.1, False),
        (1.1, 1.0, True, 0.0, True),
        (0.9, 1.0, True, 0.0, False),
        (math.nan, None, True, 0.0, False),
        (math.nan, 1.0, False, 0.0, False),
    ],
)
def test_better_means_beyond_the_known_best_by_min_delta(
    value: float, than: float | None, larger: bool, min_delta: float, better: bool
) -> None:
    assert is_better(value, than, larger_is_better=larger, min_delta=min_delta) is better


def test_training_stops_after_patience_epochs_without_improvement() -> None:
    rule = EarlyStopping(patience_epochs=2)
    assert epochs_until_stop([3.0, 2.0, 2.0, 1.0, 1.5, 1.0, 0.5], rule)[0] == 6
    assert epochs_until_stop([3.0, 2.0, 1.0], rule) == (0, "")


def test_the_reason_names_the_metric_and_the_epochs() -> None:
    assert (
        epochs_until_stop([1.0, 1.0], EarlyStopping(patience_epochs=1))[1] == "val_loss has not improved for 1 epochs"
    )


def test_early_stopping_ignores_epochs_before_start_epoch() -> None:
    assert epochs_until_stop([1.0, 9.0, 9.0, 9.0], EarlyStopping(patience_epochs=1, start_epoch=3))[0] == 4


def test_the_best_is_the_first_of_equals() -> None:
    state = TrainingState()
    for epoch, value in enumerate([0.5, 0.7, 0.7], start=1):
        state = judge_best(replace(state, epoch=epoch, step=10 * epoch), "val_accuracy", value, larger_is_better=True)
    assert state.best == Best("val_accuracy", 0.7, epoch=2, step=20)


def test_a_state_survives_json() -> None:
    state = TrainingState(
        epoch=3,
        step=30,
        seconds=1.5,
        best=Best("loss", 0.1, 2, 20),
        early_stopping=EarlyStoppingState(0.1, 1),
        plateau=PlateauState(learning_rate=0.01, best=0.1, wait=1),
        stopped="why",
    )
    assert TrainingState.from_json(json.loads(json.dumps(state.to_json()))) == state
    assert TrainingState.from_json(json.loads(json.dumps(TrainingState().to_json()))) == TrainingState()


def test_the_best_epoch_is_chosen_by_the_metric_of_early_stopping(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        "dataset: {type: builtin, name: digits, validation: 0.1}\n"
        "model: linear\nloss: sparse_categorical_crossentropy\n"
        "metrics: [accuracy]\ntraining: {early_stopping: {metric: val_accuracy, patience_epochs: 2}}\n"
    )
    spec = read_spec(path).spec
    state = TrainingState()
    for epoch, (loss, accuracy) in enumerate([(0.5, 0.7), (0.6, 0.9), (0.4, 0.8), (0.3, 0.8)], start=1):
        state = judge_epoch(replace(state, epoch=epoch), spec, {"val_loss": loss, "val_accuracy": accuracy})
    assert state.best == Best("val_accuracy", 0.9, 2, 0)
    assert state.stopped == "val_accuracy has not improved for 2 epochs"
    # A run of the version before had its best by val_loss, and goes on with that.
    old = judge_epoch(
        TrainingState(epoch=5, best=Best("val_loss", 0.3, 4, 0)), spec, {"val_loss": 0.2, "val_accuracy": 0.1}
    )
    assert old.best == Best("val_loss", 0.2, 5, 0)


SPEC = """\
dataset: {type: builtin, name: digits, validation: 0.1}
model: {type: mlp, units: [4]}
loss: sparse_categorical_crossentropy
metrics: [{type: mean_io_u, name: quality}, {type: sparse_categorical_crossentropy, name: surprise}]
"""


def spec(tmp_path: Path, *overrides: str) -> Spec:
    path = tmp_path / "x.yaml"
    path.write_text(SPEC)
    return read_spec(path, overrides).spec


def after(values: list[float], spec: Spec, metric: str) -> TrainingState:
    state = initial_state(spec)
    for epoch, value in enumerate(values, start=1):
        scores = {"loss": 1.0, "val_loss": 1.0, metric: value}
        state = judge_epoch(replace(state, epoch=epoch, step=epoch), spec, scores)
    return state


@pytest.mark.parametrize(("name", "best"), [("val_quality", 2), ("val_surprise", 3)])
def test_a_metric_keeps_its_direction_under_another_name(tmp_path: Path, name: str, best: int) -> None:
    state = after([0.5, 0.9, 0.1], spec(tmp_path, f"training.monitor={name}"), name)
    assert state.best is not None
    assert state.best.epoch == best


def test_an_undefined_score_decides_nothing_and_causes_a_warning(tmp_path: Path) -> None:
    watching = spec(
        tmp_path,
        "training.monitor=val_quality",
        "training.early_stopping.patience_epochs=2",
        "schedule={type: reduce_on_plateau, metric: val_quality, patience_epochs: 1}",
    )
    nan = math.nan
    state = after([nan] * 9, watching, "val_quality")
    assert (state.best, state.stopped) == (None, "")
    assert state.plateau is not None
    assert state.plateau.learning_rate == watching.optimizer.learning_rate
    state = after([nan, 0.5, nan, nan, 0.4, nan, 0.4], watching, "val_quality")
    assert state.best is not None
    assert (state.best.epoch, state.stopped) == (2, "val_quality has not improved for 2 epochs")
    told = find_undefined(watching, {"loss": 1.0, "val_loss": 1.0, "val_quality": nan})
    assert told == {"val_quality": "the best epoch and early stopping and the learning rate on a plateau"}
    assert "set training.monitor to another score," in undefined_text(
        "val_quality", told["val_quality"], epoch=1, spec=watching
    )
    assert not find_undefined(watching, {"loss": 1.0, "val_loss": 1.0, "val_quality": 0.5})
