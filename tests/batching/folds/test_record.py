"""Find complete folds by their name, and notice that one of their runs is gone or is another one."""

import os
from pathlib import Path

import pytest

from dlrun.batching.folds.record import RECORD, FoldRun, FoldsRecord, read_folds, write_record
from dlrun.errors import RunError, UsageError
from dlrun.runs.folder import RunFolder
from dlrun.runs.query.listing import scan_runs


def made(runs: Path, name: str, *, seconds: int = 0) -> Path:
    folders = [RunFolder.create(runs, name=name) for _ in range(2)]
    for folder in folders:
        folder.update_record(status="completed", weights_sha256="w")
    record = FoldsRecord(
        id="0123", name=name, count=2, repeats=1, seed=0, examples=4,
        runs=tuple(FoldRun(run=folder.id, repeat=0, fold=index, examples=2, weights_sha256="w")
                   for index, folder in enumerate(folders)),
        predictions="out_of_fold.csv", predictions_sha256="s", validation={}, test={}, out_of_fold={},
    )  # fmt: skip
    place = runs / "folds" / f"{name}-0123"
    place.mkdir(parents=True)
    write_record(place, record)
    os.utime(place / RECORD, (seconds, seconds))
    return place


def test_folds_are_found_by_name_by_a_part_of_it_by_path_and_as_the_last(tmp_path: Path) -> None:
    first, second = made(tmp_path, "wine", seconds=2), made(tmp_path, "digits", seconds=1)
    for argument in ("wine-0123", "wine", str(first), "last"):
        found = read_folds(argument, runs_dir=tmp_path)
        assert [run.id for run in found.runs] == [each.run for each in found.record.runs]
        assert all(run.run_json.exists() for run in found.runs)
        assert found.predictions.absolute() == (first / "out_of_fold.csv").absolute()
    assert read_folds("dig", runs_dir=tmp_path).folder == second


def test_an_unknown_or_ambiguous_name_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--set folds=5"):
        read_folds("last", runs_dir=tmp_path)
    made(tmp_path, "wine"), made(tmp_path, "digits")
    with pytest.raises(UsageError, match="matches 2 batches of folds"):
        read_folds("0123", runs_dir=tmp_path)
    with pytest.raises(UsageError, match="did you mean 'wine-0123'"):
        read_folds("wines-0123", runs_dir=tmp_path)


def test_a_run_that_is_gone_or_was_trained_longer_is_an_error(tmp_path: Path) -> None:
    made(tmp_path, "wine")
    run = read_folds("wine", runs_dir=tmp_path).runs[1]
    run.update_record(weights_sha256="other")
    with pytest.raises(RunError, match=f"the run {run.id} of fold 1 was trained longer since"):
        read_folds("wine", runs_dir=tmp_path)
    run.run_json.unlink()
    with pytest.raises(RunError, match="of fold 1 is missing"):
        read_folds("wine", runs_dir=tmp_path)


def test_a_damaged_record_is_an_error(tmp_path: Path) -> None:
    (made(tmp_path, "wine") / RECORD).write_text("{}")
    with pytest.raises(RunError, match="is damaged"):
        read_folds("wine", runs_dir=tmp_path)


def test_the_folder_of_folds_is_not_a_run(tmp_path: Path) -> None:
    made(tmp_path, "wine")
    assert {run.status for run in scan_runs(tmp_path)} == {"completed"}
    assert len(scan_runs(tmp_path)) == 2
