"""The folder of a new run: there with all that is known before the first stage, or not at all."""

import errno
import fcntl
from pathlib import Path

import pytest

from dlrun.errors import RunError
from dlrun.experiment.record import create_folder
from dlrun.spec.parse import read_spec


def test_a_file_system_without_locks_is_left_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_handle: int, _mode: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    (tmp_path / "x.yaml").write_text(
        "dataset: {type: builtin, name: wine}\nmodel: linear\nloss: sparse_categorical_crossentropy\n"
    )
    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(RunError, match="the file system does not support locks"):
        create_folder(read_spec(tmp_path / "x.yaml"), tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []
