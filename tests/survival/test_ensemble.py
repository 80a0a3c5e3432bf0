"""An ensemble that was killed is never taken for a complete one, and joining its members again gives the same one."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow, pytest.mark.soak]

CONFIG = """\
dataset: {type: builtin, name: breast_cancer, validation: 0.3}
model: linear
loss: binary_crossentropy
metrics: [accuracy]
training: {epochs: 1, tensorboard: false, jit: off, report: false}
"""


@pytest.fixture(scope="module")
def folder(dlrun: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("joined")
    (folder / "small.yaml").write_text(CONFIG)
    for seed in (1, 2):
        ended = dlrun.run("train", "small.yaml", "--set", f"seed={seed}", "--set", f"name=m{seed}", folder=folder)
        assert ended.code == 0, ended.err
    return folder


def joined(dlrun: Any, folder: Path, **options: Any) -> tuple[Path | None, Any]:
    before = set(folder.glob("runs/*"))
    ended = dlrun.run("ensemble", "m1", "m2", "--name", "both", folder=folder, **options)
    found = sorted(set(folder.glob("runs/*")) - before)
    return (found[0] if found else None), ended


@pytest.fixture(scope="module")
def whole(dlrun: Any, folder: Path) -> tuple[dict[str, Any], int]:
    run, ended = joined(dlrun, folder, kill_at=1_000_000)
    assert ended.code == 0, ended.err
    assert run is not None
    return json.loads((run / "run.json").read_text()), ended.operations


def test_a_kill_at_any_operation_leaves_no_half_ensemble(
    dlrun: Any, folder: Path, whole: tuple[dict[str, Any], int]
) -> None:
    record, operations = whole
    assert operations > 10
    for kill_at in range(1, operations + 1, max(1, operations // 40)):
        run, ended = joined(dlrun, folder, kill_at=kill_at)
        assert ended.code == -signal.SIGKILL, (kill_at, ended.err)
        if run is None or not (run / "run.json").is_file():
            continue
        found = json.loads((run / "run.json").read_text())
        if found["status"] == "completed":
            assert found["weights_sha256"] == record["weights_sha256"]
            assert found["result"] == record["result"]
            continue
        again = dlrun.run("resume", run.name, folder=folder)
        assert again.code == 2, (kill_at, again.err)
        if (run / "spec.yaml").is_file():
            assert "nothing to train" in again.err, (kill_at, again.err)


def test_one_that_is_stopped_says_how_to_make_it_again(dlrun: Any, folder: Path, whole: Any) -> None:
    run, ended = joined(dlrun, folder, at=("Evaluated", 1), signals=(signal.SIGINT,))
    assert ended.code == 130, ended.err
    assert "dlrun ensemble joins the runs again" in ended.err
    assert run is not None
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    run, ended = joined(dlrun, folder)
    assert run is not None
    assert json.loads((run / "run.json").read_text())["weights_sha256"] == whole[0]["weights_sha256"]
