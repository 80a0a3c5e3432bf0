"""A search in an experiment tracker, as the parent of its trials."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlrun.errors import Interrupted
from dlrun.search.ledger import Ledger
from dlrun.search.outcome import SearchOutcome
from dlrun.search.track import search_params, tracked_search
from dlrun.search.trials import Trials
from dlrun.tracking import RunFacts
from dlrun.tracking.mlflow import MLflow
from search_outcomes import MODEL, RATE, searched

needs_mlflow = pytest.mark.skipif(
    importlib.util.find_spec("mlflow") is None, reason="needs MLflow: pip install mlflow-skinny"
)
HEAD = {
    "name": "digits",
    "objectives": [{"name": "val_accuracy", "larger_is_better": True}],
    "space": [RATE, MODEL],
    "sampler": "tpe",
    "seeds": 1,
    "seed": 0,
    "rungs": [2, 6, 18],
    "factor": 3,
    "started": "2026-11-28T21:45:00+00:00",
    "epochs": 18,
}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)


class Searching:
    """One command that works on a search."""

    def __init__(self, tracker: MLflow | None, *, trials: int = 20) -> None:
        Path("digits").mkdir(exist_ok=True)
        self.warnings: list[str] = []
        ledger = Ledger(Path("digits/ledger.jsonl"))
        known = Trials(ledger.entries)
        if not known.head:
            known.add(ledger.append("search", **HEAD))
        known.add(ledger.append("session", trials=trials, minutes=None))
        self._known = known
        self._tracked = tracked_search(tracker, known, ledger, warn=self.warnings.append)

    def run(self, search: SearchOutcome, *, during: Callable[[str | None], None] = lambda _: None) -> str | None:
        with self._tracked as tracking:
            during(tracking.parent)
            for each in search.trials:
                self._known.by_number[each.number] = each
                tracking.log_best(self._known)
            tracking.log_winner(search)
        return tracking.parent


def store() -> MLflow:
    tracker = MLflow(uri="mlruns")
    tracker.prepare()
    return tracker


def stored(run: str | None) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=str(Path("mlruns").absolute())).get_run(str(run))


def test_the_settings_of_a_search_are_its_params() -> None:
    trials = Trials([{"event": "search", **HEAD}, {"event": "session", "trials": 20, "minutes": 1.5}])
    assert search_params(trials) == {
        "search.metric": "val_accuracy",
        "search.sampler": "tpe",
        "search.seeds": "1",
        "search.seed": "0",
        "search.trials": "20",
        "search.minutes": "1.5",
        "search.halving.min_epochs": "2",
        "search.halving.factor": "3",
        "search.space.optimizer.learning_rate": "0.0001 to 0.1 (log)",
        "search.space.model": "{'type': 'mlp'}, {'type': 'linear'}",
        "search.space.model[0].depth": "1 to 4",
    }


@needs_mlflow
def test_a_search_is_the_parent_of_its_trials_and_ends_with_its_best_score() -> None:
    from mlflow import MlflowClient

    children: list[str] = []

    def trial(parent: str | None) -> None:
        children.append(store().open(RunFacts("a-run", {}, {"run_id": "a-run"}, parent=parent), known_id=None).id)

    search = searched(5)
    parent = Searching(store()).run(search, during=trial)
    run = stored(parent)
    assert search.best is not None
    assert search.winner is not None
    assert stored(children[0]).data.tags["mlflow.parentRunId"] == parent
    assert "mlflow.parentRunId" not in run.data.tags
    assert (run.info.run_name, run.info.status) == ("digits", "FINISHED")
    assert run.data.params["search.sampler"] == "tpe"
    assert run.data.metrics["val_accuracy"] == search.best.scores[0]
    assert run.data.metrics["test_accuracy"] == 0.951
    history = MlflowClient(str(Path("mlruns").absolute())).get_metric_history(str(parent), "val_accuracy")
    assert [point.value for point in history] == sorted({point.value for point in history})
    assert len(history) > 1
    tags = run.data.tags
    assert (tags["dlrun.best_trial"], tags["dlrun.best_run"]) == (str(search.best.number), search.winner.run)
    artifacts = Path("mlruns", run.info.experiment_id, run.info.run_id, "artifacts")
    assert [path.name for path in artifacts.iterdir()] == ["ledger.jsonl"]


@needs_mlflow
def test_a_search_that_goes_on_keeps_its_parent_and_a_stopped_one_is_recorded_as_such() -> None:
    def stop(_: str | None) -> None:
        raise Interrupted("stopped")

    first = Searching(store())
    with pytest.raises(Interrupted):
        first.run(searched(3), during=stop)
    entries = [json.loads(line) for line in Path("digits/ledger.jsonl").read_text().splitlines()]
    (entry,) = [each for each in entries if each["event"] == "tracking"]
    assert stored(entry["id"]).info.status == "KILLED"
    again = Searching(store(), trials=40)
    assert again.run(searched(3)) == entry["id"]
    run = stored(entry["id"])
    assert (run.info.status, run.data.tags["dlrun.changed.search.trials"]) == ("FINISHED", "40")
    assert Path("digits/ledger.jsonl").read_text().count('"tracking"') == 1
    assert first.warnings == again.warnings == []


def test_a_tracker_that_fails_is_a_warning_and_the_search_goes_on_without_a_parent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("http://me:secret@host says no\nat length")

    monkeypatch.setattr(MLflow, "open", refuse)
    searching = Searching(MLflow())
    assert searching.run(searched(3)) is None
    assert searching.warnings == ["tracking: the search is not logged to mlflow: http://host says no"]
    assert '"tracking"' not in Path("digits/ledger.jsonl").read_text()


def test_a_slow_tracker_delays_a_search_by_wait_seconds_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr(MLflow, "open", lambda *_, **__: threading.Event().wait(30))
    searching = Searching(MLflow(wait_seconds=0.1))
    assert searching.run(searched(3)) is None
    assert searching.warnings == ["tracking: the search is not logged to mlflow: no answer within 0.1 s"]


def test_without_a_tracker_nothing_is_logged() -> None:
    assert Searching(None).run(searched(3)) is None
