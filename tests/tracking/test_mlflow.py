"""The keys of the MLflow tracker, and what it needs before a run starts."""

import importlib.util
import os
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from dlrun.errors import UsageError
from dlrun.experiment.train import train
from dlrun.tracking.mlflow import MLflow


def installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Make it look as if of the packages that MLflow needs these were installed."""

    def find(name: str) -> ModuleSpec | None:
        return ModuleSpec(name, None, origin="there") if name in names else None

    monkeypatch.setattr("dlrun.tracking.mlflow.find_spec", find)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.mark.parametrize(
    ("uri", "absolute"),
    [
        ("mlruns", "{here}/mlruns"),
        ("sqlite:///runs.db", "sqlite:///{here}/runs.db"),
        ("sqlite:////data/runs.db", "sqlite:////data/runs.db"),
        ("http://host:5000", "http://host:5000"),
        ("file:///data", "file:///data"),
        ("databricks", "databricks"),
    ],
)
def test_the_stored_spec_refers_to_the_same_store_from_every_folder(
    uri: str, absolute: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert MLflow(uri=uri).absolute().uri == absolute.format(here=Path.cwd())


def test_without_mlflow_a_run_stops_before_it_creates_a_folder(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    with pytest.raises(UsageError, match="needs MLflow, which is not installed") as caught:
        train(config, overrides=("tracking=mlflow",), runs_dir=config.parent / "runs")
    assert (caught.value.hint, caught.value.exit_code) == ("pip install 'dlrun[mlflow]'", 2)
    assert not (config.parent / "runs").exists()


def test_a_folder_named_mlflow_is_not_mistaken_for_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlflow").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    found = importlib.util.find_spec("mlflow")
    if found is not None and found.origin is not None:
        pytest.skip("MLflow is installed")
    with pytest.raises(UsageError, match="not installed"):
        MLflow().prepare()


@pytest.mark.parametrize("uri", [None, "sqlite:///mlflow.db", "mysql+pymysql://host/runs"])
def test_a_database_that_mlflow_cannot_write_is_refused_at_once(
    uri: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    installed(monkeypatch, "mlflow")
    with pytest.raises(UsageError, match="needs SQLAlchemy"):
        MLflow(uri=uri).prepare()


def test_a_default_folder_with_runs_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    installed(monkeypatch, "mlflow")
    monkeypatch.setattr(os, "environ", {})
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").touch()
    MLflow().prepare()
    assert os.environ["MLFLOW_ALLOW_FILE_STORE"] == "true"


def test_mlflow_settings_of_the_user_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    installed(monkeypatch, "mlflow")
    monkeypatch.setattr(os, "environ", {"MLFLOW_HTTP_REQUEST_TIMEOUT": "77"})
    MLflow(uri="mlruns").prepare()
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["MLFLOW_ALLOW_FILE_STORE"] == "true"
