"""`calibrate` chooses the decision of a trained run anew; it can be repeated and undone, and the weights stay."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.cli.app import app
from dlrun.errors import SpecError, UsageError
from dlrun.evaluation.evaluate import evaluate
from dlrun.experiment import calibrate as experiment_calibrate
from dlrun.experiment.calibrate import calibrate
from dlrun.experiment.resume import resume
from dlrun.experiment.train import train
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import read_interface
from dlrun.runs.predictions import has_predictions, read_predictions
from dlrun.training.progress.events import Event, Note

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("calibrated")
        patch.setenv("DLRUN_STATE", str(folder / "state"))
        patch.setenv("DLRUN_CACHE", str(folder / "cache"))
        yield folder


@pytest.fixture
def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the predictions for the report, and do not draw it."""
    monkeypatch.setattr(experiment_calibrate, "reporting", lambda *_, **__: nullcontext())


def trained(place: Path, name: str, loss: str = "binary_crossentropy", **dataset: Any) -> RunFolder:
    given = {
        "name": name,
        "dataset": {"type": "builtin", "name": name, **dataset},
        "model": "linear",
        "loss": loss,
        "training": {"epochs": 2, "jit": "off", "tensorboard": False, "report": False},
    }
    return train(given, runs_dir=place / "runs").folder


@pytest.fixture(scope="module")
def run(place: Path) -> RunFolder:
    return trained(place, "breast_cancer", validation=0.4)


@pytest.mark.usefixtures("without_report")
def test_a_decision_is_repeated_replaced_and_undone_and_the_weights_stay(run: RunFolder) -> None:
    before, overall = run.read_record(), evaluate(run.path)["test"].breakdown.overall
    first = calibrate(run.path, overrides="training.report=true")
    assert (first.origin, first.value.calibration, first.value.thresholds) == ("calibrate", "temperature", ())
    assert run.read_record().decision == first
    kept = read_predictions(run, "test")
    assert kept is not None
    decided = evaluate(run.path)["test"].breakdown
    assert decided.decision == first.value
    assert decided.undecided == overall
    assert decided.overall["ece"] == pytest.approx(first.scores["test"]["after"]["ece"])
    again = calibrate(run.path)
    assert again.value == first.value
    assert again.finished > first.finished
    both = calibrate(run.path, threshold={"cost": {"false_positive": 1, "false_negative": 9}}, calibration="isotonic")
    assert (both.value.calibration, len(both.value.thresholds)) == ("isotonic", 1)
    assert not has_predictions(run, "test")  # they were those of the temperature
    assert calibrate(run.path, threshold=0.3).value.thresholds == (0.3,)
    assert calibrate(run.path, calibration="none", threshold="none").value.calibration == "none"
    assert read_interface(run).target.decision is None
    undone = evaluate(run.path)["test"].breakdown
    assert (undone.overall, undone.decision, undone.undecided) == (overall, None, {})
    same: dict[str, Any] = {"decision": None, "evaluation": {}, "files_sha256": {}}
    assert run.read_record().model_copy(update=same) == before.model_copy(update=same)


def test_the_command_prints_the_decision(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    app(["calibrate", str(run.path), "--threshold", "f1", "--json"], standalone_mode=False)
    printed = json.loads(capsys.readouterr().out)
    assert printed["summary"].startswith("benign above 0.")
    assert printed["reasons"]["threshold"].startswith("largest f1 on ")
    assert printed["scores"].keys() == {"validation", "test"}


def test_what_cannot_be_calibrated_is_an_error_before_tensorflow(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without = trained(place, "breast_cancer")
    numbers = trained(place, "diabetes", "mean_squared_error", validation=0.2)
    monkeypatch.setattr(experiment_calibrate, "start_tensorflow", lambda: pytest.fail("TensorFlow was started"))
    with pytest.raises(UsageError, match="has no validation split"):
        calibrate(without.path)
    with pytest.raises(SpecError, match="a model of numbers has no probabilities"):
        calibrate(numbers.path)
    with pytest.raises(SpecError, match=r"decision.threshold is 'accuracy'"):
        calibrate(without.path, threshold="accuracy")
    (without.signature).unlink()
    with pytest.raises(UsageError, match="was made elsewhere"):
        calibrate(without.path, threshold=0.3)


def test_a_given_threshold_needs_no_validation_split(place: Path) -> None:
    without = trained(place, "breast_cancer")
    found = calibrate(without.path, threshold=0.2)
    assert (found.examples, found.reasons) == (0, {"threshold": "given"})
    predicted = evaluate(without.path)["test"].breakdown
    assert predicted.decision == found.value
    assert predicted.parts["benign"]["predicted"] > 0
    assert np.isfinite(predicted.overall["ece"])


def test_resume_says_that_the_decision_of_calibrate_is_lost(place: Path) -> None:
    run, events = trained(place, "breast_cancer"), list[Event]()
    calibrate(run.path, threshold=0.2)
    resume(run.path, overrides="training.epochs=3", listener=events.append)
    (told,) = [event.text for event in events if isinstance(event, Note) and event.subject == "decision"]
    assert "above 0.2" in told
    assert f"dlrun calibrate {run.id}" in told
    assert run.read_record().decision is None
    resume(run.path, overrides="training.epochs=4", listener=events.append)
    assert sum(isinstance(event, Note) and event.subject == "decision" for event in events) == 1
