"""The stored spec of a run is the one that it was trained with, or an error."""

import os
from pathlib import Path
from typing import Any

import pytest

from dlrun.errors import UsageError
from dlrun.experiment.record import create_folder
from dlrun.runs.folder import RunFolder
from dlrun.runs.provenance.trust import is_own
from dlrun.spec import stored
from dlrun.spec.parse import read_spec
from dlrun.spec.stored import read_stored_spec

SPEC = "dataset: {type: builtin, name: wine}\nmodel: {type: mlp, units: [4]}\nloss: sparse_categorical_crossentropy\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    (tmp_path / "x.yaml").write_text(SPEC)
    return create_folder(read_spec(tmp_path / "x.yaml"), tmp_path / "runs")


@pytest.mark.parametrize("own", [True, False])
def test_a_changed_spec_is_refused(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, own: bool
) -> None:
    if not own:
        monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "theirs"))
    assert read_stored_spec(run).trust.data is own
    run.spec_yaml.write_text(run.spec_yaml.read_text().replace("relu", "tanh"))
    with pytest.raises(UsageError, match="was changed after the training"):
        read_stored_spec(run, looks_at_data=False)
    run.update_record(spec_sha256=None)  # of a version that kept no sum
    assert not read_stored_spec(run).trust.data


def test_the_verified_bytes_are_the_parsed_ones(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    verify = is_own

    def exchanged(folder: RunFolder, **options: Any) -> bool:
        folder.spec_yaml.write_text(folder.spec_yaml.read_text().replace("relu", "tanh"))
        own = verify(folder, **options)
        folder.spec_yaml.write_text(folder.spec_yaml.read_text() + "plugins: [evil.py]\n")
        return own

    monkeypatch.setattr(stored, "is_own", exchanged)
    file = read_stored_spec(run)
    assert file.trust.data
    assert (file.spec.plugins, "tanh" in str(file.spec)) == ((), False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link to another user")
def test_a_link_in_a_run_is_followed_if_the_user_created_it(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "larger disk").mkdir()
    run.checkpoints.symlink_to(tmp_path / "larger disk")
    assert read_stored_spec(run).trust.data
    os.chown(run.checkpoints, 12345, -1, follow_symlinks=False)
    with pytest.raises(UsageError, match="checkpoints is a symbolic link, in a run that was made elsewhere"):
        read_stored_spec(run)


def test_a_run_cannot_be_asked_for_folds(run: RunFolder) -> None:
    with pytest.raises(UsageError, match="is a single run, and folds are several runs"):
        read_stored_spec(run, ("folds=3",))
