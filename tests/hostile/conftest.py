"""Run folders that came from elsewhere: signed with a secret that is not this user's, then tampered with."""

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import yaml

from dlrun.experiment.record import create_folder
from dlrun.runs.folder import RunFolder
from dlrun.spec.parse import read_spec
from dlrun.system.disk import Disk
from dlrun.training.checkpoints.checkpoint import step_name, write_checkpoint

CONFIG = """\
name: theirs
dataset: {type: builtin, name: wine, validation: 0.2}
model: {type: mlp, units: [4]}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 16, epochs: 2, jit: off, precision: float32, report: false}
"""

Tamper = Callable[[Callable[[dict[str, Any]], Any]], None]
_SECONDS, _BYTES = 60, 1 << 28


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    """A reader that waits (for the other end of a pipe, for a terabyte) fails instead of stopping the suite."""

    def waited(_number: int, _frame: FrameType | None) -> None:
        pytest.fail(f"nothing came back within {_SECONDS} s")

    before = signal.signal(signal.SIGALRM, waited)
    signal.alarm(_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def _no_gulp(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that takes in a file of a terabyte fails before the machine's memory does."""
    read, total = Disk.read, 0

    def counted(disk: Disk, handle: int, count: int) -> bytes:
        nonlocal total
        total += count
        if total > _BYTES:
            pytest.fail(f"more than {_BYTES} bytes were asked for")
        return read(disk, handle, count)

    monkeypatch.setattr(Disk, "read", counted)


@pytest.fixture(autouse=True)
def _my_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "mine" / "dlrun" / "secret"
    secret.parent.mkdir(parents=True)
    secret.write_bytes(b"m" * 32)
    secret.chmod(0o600)
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "mine"))


@pytest.fixture(scope="session")
def trained_elsewhere(forked: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was really trained, by somebody else."""
    place = tmp_path_factory.mktemp("elsewhere")
    (place / "theirs.yaml").write_text(CONFIG)
    done = forked.run("train", "theirs.yaml", folder=place, DLRUN_STATE=str(place / "state"))
    assert done.code == 0, done.err
    (run,) = (place / "runs").iterdir()
    return run


@pytest.fixture(scope="session")
def written_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that looks as if it had been trained, made without TensorFlow in milliseconds."""
    place = tmp_path_factory.mktemp("elsewhere")
    (place / "theirs.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLRUN_STATE", str(place / "state"))
        folder = create_folder(read_spec(place / "theirs.yaml"), place / "runs")
    folder.log_txt.write_text("epoch 1/1\n")
    folder.tensorboard.mkdir()
    with folder.lock():
        folder.append_metrics({"epoch": 1, "step": 8, "seconds": 0.1, "loss": 1.0, "accuracy": 0.5})
    arrays = {"model/dense/kernel": np.zeros((13, 4), np.float32)}
    write_checkpoint(folder.checkpoints, step_name(8), arrays=arrays, state={"metrics_bytes": 0})
    folder.update_record(status="completed", weights_sha256="0" * 64, result={"test": {"loss": 1.0}})
    return folder.path


@pytest.fixture
def written(written_elsewhere: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written_elsewhere, tmp_path / "runs" / written_elsewhere.name)


@pytest.fixture
def trained(trained_elsewhere: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained_elsewhere, tmp_path / "runs" / trained_elsewhere.name)


@pytest.fixture
def tamper_spec() -> Callable[[Path, Callable[[dict[str, Any]], Any]], None]:
    """Change the spec of a run as an attacker would: with the sha256 in run.json made to fit."""

    def tamper(run: Path, change: Callable[[dict[str, Any]], Any]) -> None:
        spec = yaml.safe_load((run / "spec.yaml").read_text())
        change(spec)
        text = yaml.safe_dump(spec, sort_keys=False)
        (run / "spec.yaml").write_text(text)
        RunFolder(run).update_record(spec_sha256=sha256(text.encode()).hexdigest())

    return tamper


@pytest.fixture
def forge_checkpoint() -> Callable[..., None]:
    """Put other contents into a checkpoint, with a manifest that agrees with them."""

    def forge(checkpoint: Path, *, arrays: bytes | None = None, state: object = None) -> None:
        if arrays is not None:
            (checkpoint / "arrays.safetensors").write_bytes(arrays)
        if state is not None:
            data = state if isinstance(state, bytes) else json.dumps(state).encode()
            (checkpoint / "state.json").write_bytes(data)
        files = {}
        for name in ("arrays.safetensors", "state.json"):
            path = checkpoint / name
            # A file of a terabyte is all holes: its attacker would know its digest, and nobody is to come so far.
            digest = sha256(path.read_bytes()).hexdigest() if path.stat().st_size < 1 << 30 else "0" * 64
            files[name] = {"size": path.stat().st_size, "sha256": digest}
        (checkpoint / "manifest.json").write_text(json.dumps({"format": 1, "files": files}, sort_keys=True))
        RunFolder(checkpoint.parents[1]).update_record(checkpoints_sha256={}, weights_sha256=None)

    return forge
