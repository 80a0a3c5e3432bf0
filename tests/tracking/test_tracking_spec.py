"""The section `tracking` of a spec, and trust in it."""

from pathlib import Path

import pytest

from dlrun.errors import SpecError
from dlrun.experiment.record import create_folder
from dlrun.spec.changes import refused_changes
from dlrun.spec.parse import read_spec
from dlrun.spec.stored import read_stored_spec
from dlrun.spec.types import Spec
from dlrun.tracking.mlflow import MLflow

URI = "http://tracking.example:5000"


def spec_of(config: Path, *overrides: str) -> Spec:
    return read_spec(config, overrides).spec


def test_no_tracker_is_the_default_and_null(config: Path) -> None:
    assert spec_of(config).tracking is None
    assert spec_of(config, "tracking=null").tracking is None
    assert "tracking" not in spec_of(config).plain()


def test_a_bare_name_is_a_tracker_with_its_defaults(config: Path) -> None:
    tracker = spec_of(config, "tracking=mlflow").tracking
    assert isinstance(tracker, MLflow)
    assert (tracker.uri, tracker.experiment, tracker.log_checkpoints, tracker.wait_seconds) == (None, None, False, 20)


def test_mistakes_are_reported_at_their_location(config: Path) -> None:
    with config.open("a") as file:
        file.write("tracking:\n  type: mlflow\n  url: http://x\n  log_checkpoints: 1\n")
    with pytest.raises(SpecError) as caught:
        read_spec(config)
    said = str(caught.value)
    assert "followed.yaml:10:3: unknown key 'url' in tracking" in said
    assert "did you mean 'uri'?" in said
    assert "followed.yaml:11:20: tracking.log_checkpoints is 1" in said


def test_an_unknown_tracker_is_reported_with_the_known_ones(config: Path) -> None:
    with pytest.raises(SpecError, match=r"(?s)unknown tracker 'mlfow'.*mlflow.*did you mean 'mlflow'"):
        read_spec(config, ("tracking=mlfow",))


def test_a_password_in_the_uri_is_refused(config: Path) -> None:
    with pytest.raises(SpecError, match="uri contains a user name or a password") as caught:
        read_spec(config, ("tracking.type=mlflow", "tracking.uri=http://me:secret@host"))
    assert "MLFLOW_TRACKING_PASSWORD" in str(caught.value)


def test_a_tracker_may_change_when_a_run_is_resumed(config: Path) -> None:
    before, after = spec_of(config), spec_of(config, "tracking=mlflow")
    assert list(refused_changes(before, after)) == list(refused_changes(after, before)) == []


def test_a_tracker_of_another_user_is_ignored_unless_confirmed(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "theirs"))
    overrides = ("plugins=[]", "tracking.type=mlflow", f"tracking.uri={URI}")
    theirs = create_folder(read_spec(config, overrides), tmp_path / "runs")
    own = read_stored_spec(theirs)
    assert isinstance(own.spec.tracking, MLflow)
    assert (own.spec.tracking.uri, own.tracking_refused) == (URI, "")
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "mine"))
    strange = read_stored_spec(theirs)
    assert strange.spec.tracking is None
    assert "this run was made elsewhere" in strange.tracking_refused
    assert read_stored_spec(theirs, ("tracking.experiment=mine",)).spec.tracking is None
    named = read_stored_spec(theirs, ("tracking.uri=http://mine:5000",))
    assert isinstance(named.spec.tracking, MLflow)
    assert (named.spec.tracking.uri, named.tracking_refused) == ("http://mine:5000", "")
    assert isinstance(read_stored_spec(theirs, ("tracking=mlflow",)).spec.tracking, MLflow)
