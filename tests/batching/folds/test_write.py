"""The folds of a batch are written when every run is complete: scores by hand, and the same bytes each time."""

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.batching.folds.record import RECORD, read_folds
from dlrun.batching.folds.write import write_complete_folds
from dlrun.batching.grid import combine
from dlrun.batching.plan import Planned, plan_batch
from dlrun.batching.state import RunState
from dlrun.batching.table import make_table
from dlrun.runs.fold_predictions import FoldPredictions, read_fold_predictions, write_fold_predictions
from dlrun.runs.folder import RunFolder
from dlrun.signature import Target
from run_folders import NOTHING
from run_folders import made as run_of

SPEC = """\
name: small
dataset: {type: builtin, name: wine, test: 0}
model: {type: mlp, units: [4]}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
folds: {count: 2, repeats: 2}
"""
TARGET = Target("classes", 2, ("no", "yes"))


@pytest.fixture
def planned(tmp_path: Path) -> tuple[Planned, ...]:
    (tmp_path / "small.yaml").write_text(SPEC)
    return plan_batch(combine([tmp_path / "small.yaml"], [], ["training.batch_size=16,32"]))


def ended(planned: Planned, runs: Path) -> RunState:
    """A run whose fold has the even or odd examples; it is right about the first of two."""
    fold = planned.spec.dataset.fold
    assert fold is not None
    folder = run_of(runs, TARGET, None, name="small")
    rows = np.array([fold.index, fold.index + 2])
    outputs = np.array([[0.25, 0.75], [0.25, 0.75]], np.float32)
    write_fold_predictions(folder, FoldPredictions(rows, outputs, np.array([1, fold.index]), NOTHING))
    scores: dict[str, Any] = {"loss": 0.5 + planned.number, "accuracy": 0.5}
    folder.update_record(
        result={"validation": scores},
        dataset={"name": "small", "fingerprint": "f" * 64, "examples": {"train": 2, "validation": 2}},
        weights_sha256="w",
        best={"metric": "val_loss", "value": 0.0, "epoch": 1, "step": 1},
    )
    return RunState(planned, "completed", folder.path)


def test_every_fold_of_every_grid_point_is_a_run_and_its_values_tell_it_apart(planned: tuple[Planned, ...]) -> None:
    assert [each.number for each in planned] == list(range(1, 9))
    assert dict(planned[5].combination.values) == {"training.batch_size": "32", "repeat": "0", "fold": "1"}
    assert planned[5].combination.overrides[-2:] == (
        "folds=null",
        "dataset.fold={index: 1, count: 2, repeat: 0, seed: 0}",
    )
    assert len({each.identity.spec for each in planned}) == 8
    assert [each.model for each in planned] == [planned[0].model] * 4 + [planned[4].model] * 4


def test_the_options_of_a_run_give_the_spec_that_was_planned(planned: tuple[Planned, ...]) -> None:
    from dlrun.spec.identity import identify
    from dlrun.spec.parse import read_spec

    for each in planned:
        file = read_spec(each.combination.config, each.combination.overrides)
        assert (file.spec, identify(file)) == (each.spec, each.identity)


def test_the_scores_are_those_of_each_run_and_of_all_predictions(planned: tuple[Planned, ...], tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    states = [ended(each, runs) for each in planned]
    first, second = write_complete_folds(states, runs_dir=runs)
    assert first.folder == runs / "folds" / f"small-{first.record.id}" != second.folder
    loss = first.record.validation["loss"]
    assert loss.values == (1.5, 2.5, 3.5, 4.5)
    assert (loss.mean, loss.standard_deviation) == (3.0, statistics.stdev([1.5, 2.5, 3.5, 4.5]))
    accuracy = first.record.out_of_fold["accuracy"]
    assert (accuracy.values, accuracy.mean, accuracy.pooled) == ((0.5, 1.0, 0.5, 1.0), 0.75, 0.75)
    # The rank of the classes needs both: the fold of index 1 has a single class, in which it is undefined.
    assert first.record.out_of_fold["roc_auc"].mean is None
    assert first.record.out_of_fold["roc_auc"].pooled == 0.5
    assert first.record.examples == 4
    assert first.predictions.read_text().splitlines()[1] == "0,0,0,yes,yes,0.25,0.75"
    table = make_table(states, folds=(first, second))
    assert [group.folds for group in table.groups] == [first.folder.name, second.folder.name]
    assert [group.runs for group in table.groups] == [4, 4]
    assert table.groups[0].values == (("training.batch_size", "16"),)
    # Of the final model, to which the predictions belong, and not of the best epoch.
    assert table.groups[0].scores.mean == 3.0
    assert table.plain()["folds"][0]["validation"]["loss"]["mean"] == 3.0


def test_writing_again_gives_the_same_bytes(planned: tuple[Planned, ...], tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    states = [ended(each, runs) for each in planned[:4]]
    (first,) = write_complete_folds(states, runs_dir=runs)
    files = (first.predictions, first.folder / RECORD)
    before = [path.read_bytes() for path in files]
    for path in files:
        path.unlink()
    skipped = [replace(state, stage="skipped") for state in reversed(states)]
    (again,) = write_complete_folds(skipped, runs_dir=runs)
    assert (again.folder, again.record) == (first.folder, first.record)
    assert [path.read_bytes() for path in files] == before
    assert read_folds("last", runs_dir=runs).record == first.record


def test_folds_that_lack_a_run_are_not_written(planned: tuple[Planned, ...], tmp_path: Path) -> None:
    states = [ended(each, tmp_path) for each in planned[:4]]
    states[2] = replace(states[2], stage="failed")
    assert write_complete_folds(states, runs_dir=tmp_path) == ()
    assert not (tmp_path / "folds").exists()
    table = make_table(states)
    assert any("some folds lack their runs" in note for note in table.notes)
    assert table.groups[0].folds is None


def test_runs_without_folds_have_none(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SPEC.partition("folds")[0])
    (plan,) = plan_batch(combine([tmp_path / "small.yaml"], [], []))
    folder = RunFolder.create(tmp_path, name="small")
    assert write_complete_folds([RunState(plan, "completed", folder.path)], runs_dir=tmp_path) == ()


def test_two_names_for_the_same_model_are_two_folds(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for name in ("small", "other"):
        (tmp_path / f"{name}.yaml").write_text(SPEC.replace("small", name).replace("repeats: 2", "repeats: 1"))
    planned = plan_batch(combine([tmp_path / "small.yaml", tmp_path / "other.yaml"], [], []))
    found = write_complete_folds([ended(each, runs) for each in planned], runs_dir=runs)
    assert [(each.record.name, len(each.runs)) for each in found] == [("small", 2), ("other", 2)]


def test_the_scores_of_all_predictions_count_the_weights_of_the_examples(
    planned: tuple[Planned, ...], tmp_path: Path
) -> None:
    states = [ended(each, tmp_path) for each in planned[:2]]
    for state in states:
        folder = RunFolder(state.folder or tmp_path)
        found = read_fold_predictions(folder)
        write_fold_predictions(folder, replace(found, weights=np.array([3, 1], np.float32)))
    (folds,) = write_complete_folds(states, runs_dir=tmp_path)
    # Fold 0 is right about its first example, of weight 3, and wrong about the other; fold 1 is right about both.
    assert folds.record.out_of_fold["accuracy"].values == (0.75, 1.0)
    assert folds.record.out_of_fold["accuracy"].pooled == 0.875
