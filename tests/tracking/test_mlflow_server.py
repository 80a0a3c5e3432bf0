"""A training tracked by a real MLflow server, with artifacts, and with a server that is killed."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dlrun.experiment.resume import resume
from dlrun.experiment.train import train
from dlrun.training.progress.events import EpochDone, Event, Note

pytestmark = [pytest.mark.tensorflow, pytest.mark.soak]

_START_SECONDS = 120
PYTHON = os.environ.get("DLRUN_TEST_MLFLOW") or sys.executable
"""A Python with the whole of MLflow, which has other bounds than dlrun and does not go into one environment with it."""


class Server:
    """MLflow's own server on a free port, with a database and artifacts in a folder."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        store = ["--backend-store-uri", "sqlite:///server.db", "--artifacts-destination", str(self._folder / "kept")]
        command = [PYTHON, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *store], cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=5):
                return
            time.sleep(0.5)
        pytest.fail((self._folder / "server.log").read_text())

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    if importlib.util.find_spec("mlflow") is None:
        pytest.skip("needs MLflow: pip install mlflow-skinny")
    check = "import flask, sqlalchemy, mlflow.server"
    if subprocess.run([PYTHON, "-c", check], capture_output=True, check=False).returncode:
        pytest.skip("needs a Python with the whole of MLflow: DLRUN_TEST_MLFLOW=path/to/python")
    made = Server(tmp_path)
    made.start()
    yield made
    made.kill()


def test_a_server_gets_everything_and_a_resumed_run_logs_what_it_missed(
    server: Server, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    monkeypatch.chdir(tmp_path)
    notes: list[str] = []

    def listener(kill_after: int | None) -> Callable[[Event], None]:
        def heard(event: Event) -> None:
            if isinstance(event, Note):
                notes.append(f"{event.subject} {event.text}")
            if isinstance(event, EpochDone) and event.epoch == kill_after:
                deadline = time.monotonic() + 30
                while not _has_run(server.uri) and time.monotonic() < deadline:
                    time.sleep(0.2)
                server.kill()

        return heard

    overrides = ("tracking.type=mlflow", f"tracking.uri={server.uri}", "tracking.log_checkpoints=true")
    result = train(config, overrides=overrides, runs_dir="runs", listener=listener(2))
    assert result.record["status"] == "completed"
    assert len([note for note in notes if note.startswith("warning")]) == 1
    notes.clear()
    server.start()
    longer = resume(result.folder.path, overrides=("training.epochs=5",), listener=listener(None))
    assert not [note for note in notes if note.startswith("warning")]
    client = MlflowClient(tracking_uri=server.uri)
    (run,) = client.search_runs(["0"])
    assert run.info.status == "FINISHED"
    assert longer.record["tracking"]["id"] == run.info.run_id
    assert longer.record["tracking"]["place"].startswith(f"{server.uri}/#/experiments/0/runs/")
    history: dict[str, Any] = {
        name: {metric.step: metric.value for metric in client.get_metric_history(run.info.run_id, name)}
        for name in ("loss", "val_accuracy")
    }
    for row in longer.folder.read_metrics():
        assert all(history[name][row["epoch"]] == row[name] for name in history)
    assert run.data.tags["dlrun.changed.training.epochs"] == "5"
    assert run.data.tags["dlrun.weights_sha256"] == longer.record["weights_sha256"]
    kept = {path.name for path in (tmp_path / "kept").rglob("*")}
    assert {"spec.yaml", "run.json", "metrics.jsonl", "best", "arrays.safetensors"} <= kept


def _has_run(uri: str) -> bool:
    from mlflow import MlflowClient

    return bool(MlflowClient(tracking_uri=uri).search_runs(["0"]))
