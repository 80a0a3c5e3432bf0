"""A tracked training is bit-identical, has one journal over an interruption, and survives an unreachable server."""

import importlib.util
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlrun.errors import Interrupted, Paused
from dlrun.experiment.resume import resume
from dlrun.experiment.train import train, train_file
from dlrun.experiment.trial import Trial
from dlrun.spec.parse import read_spec
from dlrun.training.progress.events import EpochDone, Event, Note

pytestmark = pytest.mark.tensorflow

needs_mlflow = pytest.mark.skipif(
    importlib.util.find_spec("mlflow") is None, reason="needs MLflow: pip install mlflow-skinny"
)


class Heard:
    """Keeps the notes of a run; stops it in an epoch as Ctrl-C does."""

    def __init__(self, *, stop_after: int | None = None) -> None:
        self.notes: list[str] = []
        self._stop_after = stop_after

    def __call__(self, event: Event) -> None:
        if isinstance(event, Note):
            self.notes.append(f"{event.subject} {event.text}")
        if isinstance(event, EpochDone) and event.epoch == self._stop_after:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def trained(config: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Train the config in a folder of its own."""
    monkeypatch.chdir(config.parent)

    def run(*overrides: str, listener: Heard | None = None) -> Any:
        return train(config, overrides=overrides, runs_dir=config.parent / "runs", listener=listener or Heard())

    return run


def test_a_tracked_run_is_bit_identical_to_an_untracked_one_even_if_interrupted(
    trained: Callable[..., Any], config: Path, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    alone = trained()
    followed = ("tracking.type=lines", f"tracking.path={config.with_name('lines.jsonl')}")
    with pytest.raises(Interrupted):
        trained(*followed, listener=Heard(stop_after=2))
    (run,) = set((config.parent / "runs").iterdir()) - {alone.folder.path}
    done = resume(run, runs_dir=run.parent)
    assert done.record["weights_sha256"] == alone.record["weights_sha256"]
    assert [line["row"]["epoch"] for line in lines() if line["kind"] == "epoch"] == [1, 2, 3]
    assert [line["ending"] for line in lines() if line["kind"] == "end"] == ["interrupted", "completed"]
    opened = [line for line in lines() if line["kind"] == "open"]
    assert opened[1]["known_id"] == opened[0]["id"] == done.record["tracking"]["id"]
    assert opened[0]["tags"]["dataset_fingerprint"] == done.record["dataset"]["fingerprint"]
    scores = {name for line in lines() if line["kind"] == "scores" for name in line["scores"]}
    assert scores == {"validation_loss", "validation_accuracy", "test_loss", "test_accuracy"}


def test_a_trial_is_tracked_below_its_search_and_goes_on_there_after_a_pause(
    config: Path, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    overrides = ("tracking.type=lines", f"tracking.path={config.with_name('lines.jsonl')}")
    runs, role = config.parent / "runs", Trial("digits", 7, pause_after=1, parent="journal of digits")
    with pytest.raises(Paused):
        train_file(read_spec(config, overrides), runs_dir=runs, listener=Heard(), trial=role)
    (run,) = (path for path in runs.iterdir() if path.is_dir())
    resume(run, runs_dir=runs)
    first, again = (line for line in lines() if line["kind"] == "open")
    assert first["parent"] == "journal of digits"
    assert (first["tags"]["search"], first["tags"]["trial"]) == ("digits", "7")
    assert again["known_id"] == first["id"]
    assert [line["row"]["epoch"] for line in lines() if line["kind"] == "epoch"] == [1, 2, 3]
    assert [line["ending"] for line in lines() if line["kind"] == "end"] == ["interrupted", "completed"]


@needs_mlflow
def test_a_run_is_one_mlflow_run_with_all_its_metrics(trained: Callable[..., Any]) -> None:
    from mlflow import MlflowClient

    listener = Heard()
    followed = ("tracking.type=mlflow", "tracking.uri=mlruns", "tracking.experiment=digits")
    result = trained(*followed, "training.report=true", listener=listener)
    client = MlflowClient(tracking_uri=str(Path("mlruns").absolute()))
    run = client.get_run(result.record["tracking"]["id"])
    assert f"tracking mlflow: {result.record['tracking']['place']}" in listener.notes
    assert (run.info.run_name, run.info.status) == (result.folder.id, "FINISHED")
    rows = result.folder.read_metrics()
    for name in rows[0]:
        history = [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name)]
        assert history == [(row["epoch"], row[name]) for row in rows]
    assert run.data.metrics["test_accuracy"] == result.scores["test"]["accuracy"]
    assert run.data.tags["dlrun.weights_sha256"] == result.record["weights_sha256"]
    assert run.data.params["model.dropout"] == "0.2"
    artifacts = {path.name for path in Path("mlruns").glob("*/*/artifacts/**/*")}
    plots = {path.name for path in result.folder.plots.iterdir()}
    assert plots
    assert {"config.yaml", "spec.yaml", "run.json", "metrics.jsonl", "report.html", *plots} <= artifacts


@needs_mlflow
def test_an_unreachable_server_is_one_warning(trained: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listener = Heard()
    result = trained("tracking.type=mlflow", f"tracking.uri=http://127.0.0.1:{port}", listener=listener)
    (warning,) = (note for note in listener.notes if note.startswith("warning"))
    assert warning.startswith("warning tracking: nothing more is logged to mlflow: 127.0.0.1")
    assert "does not answer" in warning
    assert result.record["status"] == "completed"
    assert result.record["tracking"] is None


@needs_mlflow
def test_a_silent_server_costs_only_the_wait_at_the_end(
    trained: Callable[..., Any],
) -> None:
    listener = Heard()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never says a word
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        result = trained("tracking.type=mlflow", f"tracking.uri={uri}", "tracking.wait_seconds=0.5", listener=listener)
    assert result.record["status"] == "completed"
    assert [note for note in listener.notes if note.startswith("warning")]
    for thread in threading.enumerate():
        if thread.name == "dlrun-tracking":
            thread.join(15)
            assert not thread.is_alive()
