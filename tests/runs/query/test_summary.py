"""The scores of a run by the names that a user writes."""

import json
from pathlib import Path

import pytest

from dlrun.runs.query.summary import BestScore, RunSummary

RUN = RunSummary(
    Path("runs"),
    "a",
    status="completed",
    best=BestScore("val_accuracy", 0.9, epoch=3, step=30),
    result={"validation": {"accuracy": 0.8, "loss": 0.4}, "test": {"accuracy": 0.7, "auc": 0.6}},
)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("val_accuracy", 0.9),  # the best epoch's, which is kept
        ("accuracy", 0.8),
        ("test_accuracy", 0.7),
        ("auc", 0.6),  # the test split has it alone
        ("val_auc", None),
        ("train_loss", None),
    ],
)
def test_a_score_comes_from_the_best_epoch_then_validation_then_test(key: str, value: float | None) -> None:
    assert RUN.value(key) == value


def test_a_run_is_not_chosen_by_a_test_score_unless_its_key_names_the_split() -> None:
    assert RUN.value_to_choose_by("auc") is None
    assert RUN.value_to_choose_by("test_auc") == 0.6


def test_its_keys_are_those_that_have_a_value() -> None:
    assert RUN.keys() == {"val_accuracy", "val_loss", "test_accuracy", "test_auc"}
    assert RUN.scores() == {"accuracy", "loss", "auc"}
    assert all(RUN.value(key) is not None for key in RUN.keys() | RUN.scores())


def test_a_summary_is_plain_json_with_its_path() -> None:
    plain = json.loads(json.dumps(RUN.plain()))
    assert plain["best"] == {"metric": "val_accuracy", "value": 0.9, "epoch": 3, "step": 30}
    assert plain["path"] == "runs/a"
    assert not {"runs_dir", "order"} & plain.keys()
