"""`dlrun train` of a config with folds: killed in the middle and repeated, it trains each fold once."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.tensorflow

CONFIG = """\
dataset: {type: table, path: t.csv, target: kind, weight: w, test: 0.25}
model: {type: mlp, units: [4]}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {epochs: 2, batch_size: 8, jit: "off", cpu_shares: 1, tensorboard: false, report: false}
folds: 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = "".join(f"{row % 7 + 0.5},{row * 1.5},{row % 2 + 1},{'xyz'[row % 3]}\n" for row in range(60))
    (tmp_path / "t.csv").write_text("a,b,w,kind\n" + rows)
    (tmp_path / "c.yaml").write_text(CONFIG)
    return tmp_path


def records(folder: Path) -> dict[str, Any]:
    return {path.parent.name: json.loads(path.read_text()) for path in (folder / "runs").glob("*/run.json")}


@pytest.mark.soak  # folds are a batch, and test_batch.py kills one
def test_a_killed_training_of_folds_is_continued_and_no_fold_is_trained_twice(
    start: Callable[..., Any], run: Callable[..., Any], folder: Path
) -> None:
    first = start("train", "c.yaml", "--set", "training.epochs=2", folder=folder)
    first.wait_until(lambda: "completed" in first.err)
    first.kill()
    before = {name for name, record in records(folder).items() if record["status"] == "completed"}
    assert 1 <= len(before) < 3
    done = run("train", "c.yaml", "--json", folder=folder)
    assert done.process.returncode == 0, done.err
    (folds,) = json.loads(done.out)["folds"]
    complete = {name for name, record in records(folder).items() if record["status"] == "completed"}
    assert before < complete == {each["run"] for each in folds["runs"]}
    assert len(complete) == 3

    lines = list(csv.DictReader((folder / folds["folder"] / "out_of_fold.csv").read_text().splitlines()))
    rows = [int(line["row"]) for line in lines]
    assert len(rows) == len(set(rows)) == folds["examples"] == 45
    assert all(line["truth"] == "xyz"[int(line["row"]) % 3] for line in lines)
    assert all(line["prediction"] in "xyz" for line in lines)
    weights = [float(line["weight"]) for line in lines]
    right = sum(float(line["weight"]) for line in lines if line["truth"] == line["prediction"])
    assert weights == [row % 2 + 1 for row in rows]
    assert folds["out_of_fold"]["accuracy"]["pooled"] == pytest.approx(right / sum(weights))
    assert folds["out_of_fold"]["accuracy"]["values"] == pytest.approx(folds["validation"]["accuracy"]["values"])

    # Nothing is left to train, and the same bytes are written again.
    trained = records(folder).keys()
    written = [folder / folds["folder"] / name for name in ("out_of_fold.csv", "folds.json")]
    contents = [path.read_bytes() for path in written]
    for path in written:
        path.unlink()
    again = run("train", "c.yaml", folder=folder)
    assert again.process.returncode == 0, again.err
    assert again.out.count("skipped") == 3
    assert "out of fold  accuracy" in again.out
    assert f"dlrun ensemble --folds {written[0].parent.name}" in again.err
    assert [path.read_bytes() for path in written] == contents
    assert records(folder).keys() == trained


@pytest.mark.soak
def test_the_run_of_a_fold_is_reproduced_and_its_lost_predictions_are_made_again(
    run: Callable[..., Any], folder: Path
) -> None:
    folds = json.loads(run("train", "c.yaml", "--json", folder=folder).out)["folds"][0]
    name = folds["runs"][1]["run"]
    path = folder / "runs" / name / "evaluation" / "fold.npz"
    content = path.read_bytes()
    path.unlink()
    failed = run("train", "c.yaml", folder=folder)
    assert failed.process.returncode == 1
    assert f"dlrun resume {name} predicts again" in failed.err
    assert run("resume", name, folder=folder).process.returncode == 0
    assert path.read_bytes() == content
    assert run("reproduce", name, folder=folder).process.returncode == 0
    assert run("train", "c.yaml", folder=folder).process.returncode == 0
