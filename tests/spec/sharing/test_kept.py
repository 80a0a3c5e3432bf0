"""What a run keeps of the files that it was made from, and what it tells when they have changed."""

from dataclasses import replace
from pathlib import Path

import pytest

from dlrun.runs.folder import RunFolder
from dlrun.spec.parse import read_spec
from dlrun.spec.sharing.kept import config_changes, keep_config
from dlrun.spec.trust import OWN, trust_in

BASE = "dataset: {type: builtin, name: digits}\nloss: sparse_categorical_crossentropy\nvariables: {size: 16}\n"
TOP = """\
base: parts/base.yaml
model: linear
training: {batch_size: "${size}", epochs: "${env:DLRUN_TEST_EPOCHS:-2}"}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """Return the folder of a run made from two files, with an environment that has changed since."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "base.yaml").write_text(BASE)
    (tmp_path / "c.yaml").write_text(TOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLRUN_TEST_EPOCHS", "7")
    run = RunFolder.create(tmp_path / "runs", name="r")
    file = read_spec(Path("c.yaml"))
    assert file.spec.training.epochs == 7
    run.update_record(config=keep_config(run, file).model_dump())
    monkeypatch.setenv("DLRUN_TEST_EPOCHS", "9")
    return run


def note(folder: RunFolder) -> str:
    return config_changes(replace(read_spec(Path("c.yaml")), trust=OWN), folder)


def test_every_file_is_kept_as_it_was_and_recorded_with_its_variables(folder: RunFolder, tmp_path: Path) -> None:
    assert folder.config_yaml.read_text() == TOP
    assert [path.read_text() for path in folder.bases.iterdir()] == [BASE]
    record = folder.read_record().config
    assert record is not None
    assert [*record.files] == [str(tmp_path / "c.yaml"), str(tmp_path / "parts" / "base.yaml")]
    assert (record.variables, record.environment) == ({"size": 16}, {"DLRUN_TEST_EPOCHS": "7"})


def test_the_copy_of_the_config_is_the_same_spec_without_the_original_files(folder: RunFolder, tmp_path: Path) -> None:
    before = read_spec(Path("c.yaml")).spec
    (tmp_path / "parts" / "base.yaml").unlink()
    trust, _ = trust_in(folder.config_yaml, trust_plugins=False)
    again = read_spec(folder.config_yaml, trust=replace(trust, reads_environment=True)).spec
    assert again == replace(before, name="config")


def test_a_base_that_has_changed_is_told_by_key(folder: RunFolder, tmp_path: Path) -> None:
    assert not note(folder)  # the environment is the one of the run, whatever it is now
    (tmp_path / "parts" / "base.yaml").write_text(BASE.replace("16", "32") + "seed: 3\n")
    assert "training.batch_size 16 -> 32 (c.yaml:3)" in note(folder)
    assert "seed default -> 3 (parts/base.yaml:4)" in note(folder)
    (tmp_path / "parts" / "base.yaml").write_text("# only a comment\n" + BASE)
    assert not note(folder)
    (tmp_path / "c.yaml").write_text("base: [\n")
    assert "c.yaml has changed since this run began" in note_of_broken(folder)


def note_of_broken(folder: RunFolder) -> str:
    file = read_spec(folder.config_yaml, ("training.epochs=1",))
    return config_changes(replace(file, trust=OWN), folder)


def test_of_a_run_from_elsewhere_no_file_is_read(folder: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "parts" / "base.yaml").write_text(BASE.replace("16", "32"))
    file = read_spec(Path("c.yaml"))
    assert not config_changes(replace(file, trust=replace(OWN, data=False)), folder)
