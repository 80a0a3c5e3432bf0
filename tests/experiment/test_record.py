"""The folder of a new run: there with all that is known before the first stage, or not at all."""

import errno
from pathlib import Path

import pytest

from dlrun.errors import RunError
from dlrun.experiment.record import create_folder
from dlrun.spec.parse import read_spec


def test_a_run_that_cannot_be_held_is_left_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mkdir = Path.mkdir

    def full(path: Path, mode: int = 0o777, *, parents: bool = False, exist_ok: bool = False) -> None:
        if path.name.startswith(".lock"):
            raise OSError(errno.ENOSPC, "No space left on device")
        mkdir(path, mode, parents=parents, exist_ok=exist_ok)

    (tmp_path / "x.yaml").write_text(
        "dataset: {type: builtin, name: wine}\nmodel: linear\nloss: sparse_categorical_crossentropy\n"
    )
    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(RunError, match=r"cannot lock .*: the disk is full"):
        create_folder(read_spec(tmp_path / "x.yaml"), tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []
