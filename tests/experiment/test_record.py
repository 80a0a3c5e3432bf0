"""The folder of a new run: there with all that is known before the first stage, or not at all."""

import errno
from pathlib import Path
from typing import Any

import pytest

from dlrun.errors import RunError
from dlrun.experiment.record import create_folder
from dlrun.runs.folder import RunFolder
from dlrun.spec.identity import identify
from dlrun.spec.parse import SpecFile, read_spec


def config(folder: Path) -> SpecFile:
    path = folder / "x.yaml"
    path.write_text("dataset: {type: builtin, name: wine}\nmodel: linear\nloss: sparse_categorical_crossentropy\n")
    return read_spec(path)


def test_a_run_that_cannot_be_held_is_left_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mkdir = Path.mkdir

    def full(path: Path, mode: int = 0o777, *, parents: bool = False, exist_ok: bool = False) -> None:
        if path.name.startswith(".lock"):
            raise OSError(errno.ENOSPC, "No space left on device")
        mkdir(path, mode, parents=parents, exist_ok=exist_ok)

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(RunError, match=r"cannot lock .*: the disk is full"):
        create_folder(config(tmp_path), tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_run_that_is_interrupted_before_it_is_written_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("dlrun.experiment.record.provenance.packages_text", interrupt)
    with pytest.raises(KeyboardInterrupt):
        create_folder(config(tmp_path), tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_the_first_record_is_written_last_and_knows_which_run_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = RunFolder.begin_record
    files: list[str] = []

    def begin(folder: RunFolder, name: str, **known: Any) -> None:
        files.extend(path.name for path in folder.path.iterdir())
        begun(folder, name, **known)
        assert folder.read_record().identity == identify(spec)

    spec = config(tmp_path)
    monkeypatch.setattr(RunFolder, "begin_record", begin)
    create_folder(spec, tmp_path / "runs")
    assert {"spec.yaml", "config.yaml", "packages.txt", ".signature"} <= {*files}
    assert "run.json" not in files
