"""The decision of a run is chosen on its validation split, recorded, and followed by predictions and evaluations."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.decision import Decision
from dlrun.evaluation.evaluate import evaluate
from dlrun.experiment import decision as experiment_decision
from dlrun.experiment.final import train_final
from dlrun.experiment.resume import resume
from dlrun.experiment.train import train
from dlrun.prediction.predict import predict
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import read_interface
from dlrun.runs.record import DecisionRecord
from dlrun.training.progress.events import Event, Note

pytestmark = pytest.mark.tensorflow

BOTH = {"threshold": {"cost": {"false_positive": 1, "false_negative": 10}}, "calibration": "temperature"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("decided")
        patch.setenv("DLRUN_STATE", str(folder / "state"))
        patch.setenv("DLRUN_CACHE", str(folder / "cache"))
        yield folder


def data(count: int, *, seed: int) -> tuple[Any, Any]:
    """Two clouds of points that overlap."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, count).astype("int32")
    return (random.normal(size=(count, 3)) + 0.9 * truth[:, None]).astype("float32"), truth


def config(path: Path, decision: Any, *, loss: str = "binary_crossentropy") -> dict[str, Any]:
    training = {"batch_size": 16, "epochs": 2, "jit": "off", "tensorboard": False, "report": False}
    return {
        "name": "points",
        "dataset": {"type": "arrays", "path": str(path), "validation": 0.5},
        "model": "linear",
        "optimizer": {"type": "adam", "learning_rate": 0.5},
        "loss": loss,
        "training": training,
        **({"decision": decision} if decision else {}),
    }


def written(path: Path, test_target: Callable[[Any], Any] = lambda target: target) -> Path:
    (x, y), (x_test, y_test) = data(240, seed=0), data(80, seed=1)
    np.savez(path, x_train=x, y_train=y, x_test=x_test, y_test=test_target(y_test))
    return path


def chosen(folder: RunFolder) -> DecisionRecord:
    found = folder.read_record().decision
    assert found is not None
    return found


@pytest.fixture(scope="module")
def run(place: Path) -> RunFolder:
    return train(config(written(place / "data.npz"), BOTH), runs_dir=place / "runs").folder


def test_a_signal_in_the_test_split_changes_nothing_that_is_chosen(run: RunFolder, place: Path) -> None:
    planted = written(place / "planted.npz", lambda target: 1 - target)
    other = train(config(planted, BOTH), runs_dir=place / "runs").folder
    assert other.read_record().weights_sha256 == run.read_record().weights_sha256
    mine, others = chosen(run), chosen(other)
    assert others.value == mine.value
    assert others.scores["validation"] == mine.scores["validation"]
    assert (others.reasons, others.examples) == (mine.reasons, mine.examples)
    # The signal is really there: the scores of the test split are not the same.
    assert others.scores["test"] != mine.scores["test"]


def test_the_decision_is_recorded_with_its_reasons_and_scores(run: RunFolder) -> None:
    found = chosen(run)
    assert (found.origin, found.examples) == ("spec", 120)
    assert found.wanted["calibration"] == "temperature"
    assert found.checkpoint == max(path.name for path in run.checkpoints.glob("step-*"))
    assert found.value.calibration == "temperature"
    assert "120 validation examples" in found.reasons["calibration"]
    assert "10 for a false negative" in found.reasons["threshold"]
    both = found.scores["validation"]
    for name in ("log_loss", "ece", "cost"):
        before, after = both["before"][name], both["after"][name]
        assert before is not None
        assert after is not None
        assert after < before, name
    assert found.scores.keys() == {"validation", "test"}


def test_predictions_follow_the_threshold_and_results_of_the_training_do_not(run: RunFolder, place: Path) -> None:
    (threshold,) = chosen(run).value.thresholds
    assert threshold < 0.5
    x, y = data(80, seed=1)
    np.savez(place / "new.npz", x=x, y=y)
    (block,) = predict(run.path, place / "new.npz", top="all").blocks
    label, _, _, second = (np.array(cells) for cells in block.cells[1:])
    assert (label == np.where(second > threshold, "1", "0")).all()
    assert ((second > threshold) != (second > 0.5)).any()
    found = evaluate(run.path)["test"]
    assert found.scores == pytest.approx(run.read_record().result["test"])
    assert found.breakdown.overall["accuracy"] == pytest.approx(np.mean((second > threshold) == y))
    after = chosen(run).scores["test"]["after"]
    assert found.breakdown.overall["ece"] == pytest.approx(after["ece"], abs=1e-5)
    before = chosen(run).scores["test"]["before"]
    assert found.breakdown.undecided["accuracy"] == pytest.approx(before["accuracy"])
    of_file = evaluate(run.path, data=place / "new.npz")["data-new"]
    assert of_file.breakdown.overall == pytest.approx(found.breakdown.overall, abs=1e-5)
    assert of_file.breakdown.undecided == pytest.approx(found.breakdown.undecided, abs=1e-5)
    assert run.read_record().evaluation["test"].decision == chosen(run).value


def test_a_run_that_ended_before_its_decision_is_completed_by_resume(
    run: RunFolder, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(experiment_decision, "choose_decision", lambda *_, **__: (_ for _ in ()).throw(OSError("gone")))
        with pytest.raises(OSError, match="gone"):
            train(config(place / "data.npz", BOTH), runs_dir=place / "broken")
    (broken,) = map(RunFolder, (place / "broken").iterdir())
    assert broken.read_record().decision is None
    resume(broken.path)
    assert chosen(broken).value == chosen(run).value
    assert chosen(broken).scores == chosen(run).scores
    assert broken.read_record().result == run.read_record().result


def test_a_longer_training_chooses_anew(place: Path) -> None:
    made = train(config(place / "data.npz", {"calibration": "temperature"}), runs_dir=place / "longer").folder
    before = chosen(made)
    resume(made.path, overrides="training.epochs=4")
    assert chosen(made).checkpoint > before.checkpoint
    assert chosen(made).value != before.value


def test_each_label_has_a_curve_and_a_threshold_of_its_own(place: Path) -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(240, 2))
    wet = np.where(features + random.normal(size=(240, 2)) > 0.7, "yes", "no")
    rows = [f"{a:.4f},{b:.4f},{rain},{snow}" for (a, b), (rain, snow) in zip(features, wet, strict=True)]
    (place / "labels.csv").write_text("\n".join(["a,b,rain,snow", *rows]) + "\n")
    rule = {"threshold": {"maximize": "f1"}, "calibration": "isotonic"}
    given = config(place, rule) | {
        "dataset": {"type": "table", "path": str(place / "labels.csv"), "target": ["rain", "snow"], "validation": 0.5}
    }
    notes: list[Event] = []
    made = train(given, runs_dir=place / "labels", listener=notes.append).folder
    found = chosen(made).value
    assert (len(found.curves), len(found.thresholds)) == (2, 2)
    assert any(isinstance(note, Note) and "overfits below about 1,000" in note.text for note in notes)
    predictions = predict(made.path, place / "labels.csv")
    own = list(read_interface(made).target.output_names)
    assert [column.name for column in predictions.columns] == ["name", *own, *(f"probability_{name}" for name in own)]
    (block,) = predictions.blocks
    first, second, *probabilities = (np.array(cells) for cells in block.cells[1:])
    for decided, probability, threshold in zip((first, second), probabilities, found.thresholds, strict=True):
        assert (decided == np.where(probability > threshold, "yes", "no")).all()
    both = chosen(made).scores["validation"]
    assert both["after"]["f1"] > both["before"]["f1"]  # type: ignore[operator]


def test_too_few_examples_leave_things_as_they_are_with_a_reason(place: Path) -> None:
    x, y = data(36, seed=0)
    np.savez(place / "few.npz", x=x, y=y)
    notes: list[Event] = []
    rule = {"threshold": {"maximize": "f1"}, "calibration": "isotonic"}
    made = train(config(place / "few.npz", rule), runs_dir=place / "few", listener=notes.append).folder
    found = chosen(made)
    assert found.value == Decision((0.5,))
    assert "18 validation examples are too few" in found.reasons["calibration"]
    assert "too few to choose by" in found.reasons["threshold"]
    warnings = [note.text for note in notes if isinstance(note, Note) and note.subject == "warning"]
    assert len([text for text in warnings if "too few" in text]) == 2


def test_a_final_run_on_all_rows_drops_what_it_cannot_choose_with_a_warning(place: Path) -> None:
    given = config(place / "data.npz", BOTH) | {
        "dataset": {"type": "builtin", "name": "breast_cancer", "validation": 0.4}
    }
    first = train(given, runs_dir=place / "first").folder
    notes: list[Event] = []
    final = train_final(first.path, runs_dir=place / "final", listener=notes.append).folder
    assert final.read_record().decision is None
    assert any(isinstance(note, Note) and "no rows are left to choose a decision on" in note.text for note in notes)
    kept = train_final(first.path, overrides="decision={threshold: 0.3}", runs_dir=place / "final").folder
    assert chosen(kept).value == Decision((0.3,))


def test_a_damaged_decision_is_an_error_of_the_run(run: RunFolder, tmp_path: Path) -> None:
    content = json.loads(run.run_json.read_text())
    for wrong, what in (([2.0], "threshold is outside"), ([0.1, 0.2], "2 members instead of 1")):
        content["decision"]["value"]["thresholds"] = wrong
        copy = RunFolder(tmp_path)
        copy.run_json.write_text(json.dumps({**content, "files_sha256": {}}))
        copy.interface_json.write_bytes(run.interface_json.read_bytes())
        with pytest.raises(Exception, match=what):
            read_interface(copy)
