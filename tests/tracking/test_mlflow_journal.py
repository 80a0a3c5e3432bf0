"""A run in a real MLflow file store, read back with the MLflow client."""

import importlib.util
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dlrun.tracking import Journal, RunFacts
from dlrun.tracking.mlflow import MLflow
from dlrun.tracking.mlflow_journal import fit_params

needs_mlflow = pytest.mark.skipif(
    importlib.util.find_spec("mlflow") is None, reason="needs MLflow: pip install mlflow-skinny"
)
PARAMS = {"training.epochs": "3", "model.activation": "", "name": "größe"}
TAGS = {"run_id": "a-run", "git_commit": "c0ffee", "dataset_fingerprint": "f00d"}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)


def opened(
    params: Mapping[str, str] = PARAMS,
    *,
    run_id: str = "a-run",
    known_id: str | None = None,
    experiment: str | None = None,
    goes_on: bool = False,
) -> Journal:
    tracker = MLflow(uri="mlruns", experiment=experiment)
    tracker.prepare()
    facts = RunFacts(run_id, params, {**TAGS, "run_id": run_id}, goes_on=goes_on)
    return tracker.open(facts, known_id=known_id)


def stored(journal: Journal) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=str(Path("mlruns").absolute())).get_run(journal.id)


def metrics(journal: Journal, name: str) -> list[tuple[int, float]]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=str(Path("mlruns").absolute()))
    return [(metric.step, metric.value) for metric in client.get_metric_history(journal.id, name)]


def test_params_fit_into_the_limits_of_mlflow_and_none_is_lost() -> None:
    params = {"a": "1", "w.cat/dog": "2", "w.cat?dog": "3", "long": "x" * 7000, "k" * 300: "4", "k" * 400: "5"}
    fitted, altered = fit_params(params)
    names = ["w.cat_dog", "w.cat_dog 2", "long", "k" * 250, "k" * 248 + " 2"]
    assert list(fitted) == ["a", *names]
    assert [fitted[name] for name in ("a", *names[:2], *names[3:])] == ["1", "2", "3", "4", "5"]
    assert fitted["long"] == "x" * 5997 + "..."
    assert altered == names


def test_shortened_names_stay_unique() -> None:
    fitted, _ = fit_params({"a?": "1", "a_ 2": "2", "a!": "3"})
    assert sorted(fitted.values()) == ["1", "2", "3"]


@needs_mlflow
def test_a_run_is_found_in_mlflow_with_everything_that_was_logged() -> None:
    Path("spec.yaml").write_text("seed: 0\n")
    journal = opened(experiment="digits")
    journal.log_epoch({"epoch": 1, "step": 8, "loss": 0.5, "val_loss": None})
    journal.log_epoch({"epoch": 2, "step": 16, "loss": 0.25, "val_loss": math.inf})
    journal.log_scores({"test_accuracy": 0.75, "test_f1 (macro)": 0.5}, epoch=2)
    journal.log_end("completed", {"status": "completed", "weights_sha256": "ab" * 32})
    journal.log_file(Path("spec.yaml"), name="spec.yaml")
    Path("state.json").write_text("{}")
    journal.log_file(Path("state.json"), name="checkpoints/best/state.json")
    run = stored(journal)
    assert (run.info.run_name, run.info.status) == ("a-run", "FINISHED")
    assert run.data.params == PARAMS
    assert run.data.metrics["test_accuracy"] == 0.75
    assert run.data.metrics["test_f1 _macro_"] == 0.5
    assert metrics(journal, "loss") == [(1, 0.5), (2, 0.25)]
    assert metrics(journal, "step") == [(1, 8), (2, 16)]
    (first, second) = metrics(journal, "val_loss")
    assert math.isnan(first[1])
    assert second[1] > 1e300
    tags = run.data.tags
    assert (tags["mlflow.source.git.commit"], tags["dlrun.git_commit"]) == ("c0ffee", "c0ffee")
    assert (tags["dlrun.status"], tags["dlrun.weights_sha256"]) == ("completed", "ab" * 32)
    assert tags["dlrun.dataset_fingerprint"] == "f00d"
    artifacts = Path("mlruns", run.info.experiment_id, journal.id, "artifacts")
    found = sorted(str(path.relative_to(artifacts)) for path in artifacts.rglob("*") if path.is_file())
    assert found == ["checkpoints/best/state.json", "spec.yaml"]
    assert journal.place == f"{Path('mlruns').absolute()}, run {journal.id}"


@needs_mlflow
def test_a_resumed_run_keeps_its_mlflow_run_and_a_changed_param_becomes_a_tag() -> None:
    first = opened()
    first.log_epoch({"epoch": 1, "loss": 0.5})
    first.log_end("interrupted", {"status": "interrupted"})
    assert stored(first).info.status == "KILLED"
    again = opened({**PARAMS, "training.epochs": "20", "new": "1"}, known_id=first.id)
    assert (again.id, again.epochs) == (first.id, 1)
    run = stored(again)
    assert run.info.status == "RUNNING"
    assert run.data.params == {**PARAMS, "new": "1"}
    assert run.data.tags["dlrun.changed.training.epochs"] == "20"
    again.log_end("failed", {"status": "failed"})
    assert stored(again).info.status == "FAILED"


@needs_mlflow
@pytest.mark.parametrize("known_id", ["0" * 32, "../../etc", ""])
def test_an_unknown_run_is_started_again(known_id: str) -> None:
    assert stored(opened(known_id=known_id)).info.run_name == "a-run"


@needs_mlflow
def test_the_run_of_another_user_is_not_modified() -> None:
    theirs = opened(run_id="another-run")
    mine = opened(known_id=theirs.id)
    assert mine.id != theirs.id
    assert stored(theirs).data.tags["dlrun.run_id"] == "another-run"


@needs_mlflow
def test_a_run_that_never_stored_its_mlflow_id_is_found_by_its_own_id() -> None:
    first, other = opened(), opened(run_id="another-run")
    assert opened(goes_on=True).id == first.id
    assert opened().id not in (first.id, other.id)
    assert opened(run_id="a-third-run", goes_on=True).id not in (first.id, other.id)


@needs_mlflow
def test_hundreds_of_params_and_long_ones_are_logged_and_reported() -> None:
    params = {f"model.layers.{number}.units": str(number) for number in range(250)}
    journal = opened({**params, "training.class_weight.a/b": "2.0", "text": "x" * 7000})
    run = stored(journal)
    assert len(run.data.params) == 252
    assert run.data.params["training.class_weight.a_b"] == "2.0"
    assert run.data.tags["dlrun.params_altered"] == "training.class_weight.a_b, text"
    (note,) = journal.notes
    assert note.startswith("2 params were shortened or renamed for the limits of MLflow; its artifact spec.yaml has")


@needs_mlflow
def test_the_experiment_comes_from_the_environment_if_the_spec_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "ours")
    client = MlflowClient(tracking_uri=str(Path("mlruns").absolute()))
    ours = stored(opened()).info.experiment_id
    assert client.get_experiment(ours).name == "ours"
    assert stored(opened(experiment="mine")).info.experiment_id != ours
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", ours)
    assert stored(opened()).info.experiment_id == ours
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID")
    assert client.get_experiment(stored(opened()).info.experiment_id).name == "Default"
