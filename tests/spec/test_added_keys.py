"""What the stored spec of an earlier version lacks means the behaviour of that version."""

from pathlib import Path

import pytest
import yaml

from dlrun.experiment.record import create_folder
from dlrun.spec.identity import identify
from dlrun.spec.parse import SpecFile, read_spec
from dlrun.spec.stored import read_stored_spec

SPEC = (
    "dataset: {type: builtin, name: wine}\nmodel: {type: realmlp, units: [4]}\nloss: sparse_categorical_crossentropy\n"
)
OLD = {"dropout_schedule": "constant", "initialization": "random", "weight_decay_rates": "equal"}


def test_a_stored_spec_without_new_keys_keeps_the_old_behaviour_and_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    (tmp_path / "x.yaml").write_text(SPEC)
    new = read_spec(tmp_path / "x.yaml")
    assert new.spec.spanning_schedule() == "dropout schedule flat_cos"
    folder = create_folder(new, tmp_path / "runs")
    assert read_stored_spec(folder).spec.plain() == new.spec.plain()
    stored = yaml.safe_load(folder.spec_yaml.read_text())
    for section, keys in (("model", OLD), ("optimizer", {"weight_decay_schedule"})):
        stored[section] = {key: value for key, value in stored[section].items() if key not in keys}
    folder.spec_yaml.write_text(yaml.safe_dump(stored, sort_keys=False))
    folder.update_record(spec_sha256=None)
    files = [read_stored_spec(folder), read_spec(folder.spec_yaml)]
    overrides = tuple(f"model.{key}={value}" for key, value in OLD.items())
    expected = read_spec(tmp_path / "x.yaml", overrides)
    for file in files:
        assert _plain_model(file) == _plain_model(expected)
        assert not file.spec.spanning_schedule()
    assert identify(expected).spec != identify(new).spec


def _plain_model(file: SpecFile) -> object:
    return file.spec.model.plain()
