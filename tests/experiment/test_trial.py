"""A run that a search trains: pauses, the validation split alone, and what completes it."""

from pathlib import Path
from typing import Any

import pytest

import dlrun
from dlrun.errors import Paused, UsageError
from dlrun.experiment.resume import ResumeOptions, complete_trial, lacks_scores, resume_run
from dlrun.experiment.train import train_file
from dlrun.experiment.trial import Trial
from dlrun.runs.folder import RunFolder
from dlrun.runs.predictions import has_predictions
from dlrun.runs.record import RunRecord
from dlrun.spec.parse import read_config
from dlrun.training.devices.cluster import Cluster
from dlrun.training.progress.events import Evaluated, Event, silent
from dlrun.training.progress.timeline import Timeline

ROWS = [f"{index % 7},{index % 5},{'yes' if index % 7 > index % 5 else 'no'}" for index in range(120)]
TIMINGS = ("seconds", "examples_per_second", "data_wait")
TRAINING = {
    "batch_size": 16, "epochs": 6, "jit": "off", "tensorboard": False,
    "early_stopping": {"patience_epochs": 2, "restore_best": True},
}  # fmt: skip


@pytest.fixture
def spec(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,b,y", *ROWS]) + "\n")
    return {
        "name": "small",
        "dataset": {"type": "table", "path": str(path), "target": "y", "validation": 0.2, "test": 0.2},
        "model": {"type": "mlp", "units": [4], "dropout": 0.2},
        "optimizer": {"type": "adam", "learning_rate": 0.05},
        "loss": "binary_crossentropy",
        "metrics": ["accuracy"],
        "schedule": {"type": "reduce_on_plateau", "patience_epochs": 1},
        "decision": {"threshold": {"maximize": "f1"}},
        "evaluation": {"by": ["a"]},
        "training": TRAINING,
    }


def rows(folder: RunFolder) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in TIMINGS} for row in folder.read_metrics()]


def decided(record: RunRecord) -> dict[str, Any]:
    return record.decision.model_dump(exclude={"finished"}) if record.decision is not None else {}


@pytest.mark.tensorflow
@pytest.mark.slow
def test_a_paused_and_completed_trial_equals_a_run_without_a_pause(spec: dict[str, Any], tmp_path: Path) -> None:
    whole = dlrun.train(spec, runs_dir=tmp_path / "whole").folder
    runs, evaluated = tmp_path / "runs", set[str]()

    def hear(event: Event) -> None:
        if isinstance(event, Evaluated):
            evaluated.add(event.split)

    with pytest.raises(Paused, match="paused after epoch 1 of 6 by the search s"):
        train_file(
            read_config(spec, (), trust_plugins=False), runs_dir=runs, listener=hear, trial=Trial("s", 3, pause_after=1)
        )
    (folder,) = map(RunFolder, runs.glob("2*"))
    record = folder.read_record()
    assert (record.status, record.reason) == ("interrupted", "paused after epoch 1 of 6 by the search s")
    assert record.search is not None
    assert (record.search.name, record.search.trial, record.weights_sha256) == ("s", 3, None)

    def go_on(pause_after: int | None) -> None:
        trial = Trial("s", 3, pause_after)
        resume_run(folder, ResumeOptions(), listener=hear, timeline=Timeline(), trial=trial)

    for pause_after in (1, 2):  # nothing is trained for a pause that it has reached already
        with pytest.raises(Paused):
            go_on(pause_after)
        assert len(folder.read_metrics()) == pause_after
    with pytest.raises(UsageError, match="not trained to its end: paused after epoch 2 of 6"):
        complete_trial(folder.path)
    for _ in range(2):
        go_on(60)  # the training is over before that epoch, and stays so
    trial = folder.read_record()
    assert (trial.status, [*trial.result], [*trial.slices], evaluated) == (
        "completed",
        ["validation"],
        ["validation"],
        {"validation"},
    )
    assert trial.decision is not None
    assert [*trial.decision.scores] == ["validation"]
    assert lacks_scores(trial)
    assert not folder.report_html.exists()
    assert not has_predictions(folder, "validation")

    assert complete_trial(folder.path).scores["test"]
    straight, completed = whole.read_record(), folder.read_record()
    for key in (
        "result",
        "naive",
        "baseline",
        "weights_sha256",
        "best",
        "reason",
        "slices",
        "exact",
        "identity",
        "status",
    ):
        assert getattr(straight, key) == getattr(completed, key), key
    assert [*straight.result] == [*completed.result]
    assert decided(straight) == decided(completed)
    assert rows(whole) == rows(folder)
    assert folder.report_html.exists()
    assert has_predictions(folder, "test")
    assert not lacks_scores(completed)


def test_a_trial_is_not_trained_by_several_processes(spec: dict[str, Any], tmp_path: Path) -> None:
    cluster = Cluster(workers=2, index=0)
    with pytest.raises(UsageError, match="one process"):
        train_file(
            read_config(spec, (), trust_plugins=False),
            runs_dir=tmp_path / "runs",
            listener=silent,
            cluster=cluster,
            trial=Trial("s", 1),
        )


def test_only_a_trial_can_lack_scores() -> None:
    dataset = {"name": "d", "fingerprint": "f", "examples": {"train": 3, "validation": 1, "test": 1}}
    known: dict[str, Any] = {"id": "r", "name": "n", "dataset": dataset, "result": {"validation": {"loss": 1.0}}}
    trial = {"search": {"name": "s", "trial": 1}}
    assert lacks_scores(RunRecord.model_validate({**known, **trial}))
    assert not lacks_scores(RunRecord.model_validate(known))
    assert not lacks_scores(RunRecord.model_validate({**known, **trial, "result": {"validation": {}, "test": {}}}))
