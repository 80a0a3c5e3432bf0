"""Unreadable images in predictions and evaluations are an error, or skipped and reported."""

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlrun.cli.app import app
from dlrun.data.image_files import decoding
from dlrun.errors import DataError, UsageError
from dlrun.evaluation.evaluate import evaluate
from dlrun.experiment.train import train
from dlrun.explanation.explain import explain
from dlrun.prediction.predict import predict
from dlrun.runs.folder import RunFolder
from dlrun.training.progress.events import Event, Note
from pictures import write_classes

pytestmark = pytest.mark.tensorflow

CONFIG = """\
name: pictures
dataset: {{type: images, path: {path}}}
model: {{type: linear}}
loss: sparse_categorical_crossentropy
training: {{batch_size: 4, epochs: 1, jit: off, tensorboard: false, report: false}}
"""
SKIP = ("dataset.corrupt=skip",)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    folder = tmp_path_factory.mktemp("home")
    write_classes(folder / "images")
    (folder / "x.yaml").write_text(CONFIG.format(path=folder / "images"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLRUN_STATE", str(folder / "state"))
        yield train(folder / "x.yaml", runs_dir=folder / "runs").folder


@pytest.fixture
def dirty(tmp_path: Path) -> Path:
    """Twelve files: one is text, and one is truncated, which only decoding detects."""
    write_classes(tmp_path / "dirty")
    (tmp_path / "dirty" / "a" / "000.png").write_text("words")
    cut = tmp_path / "dirty" / "b" / "001.png"
    cut.write_bytes(cut.read_bytes()[:-20])
    return tmp_path / "dirty"


def names(run: RunFolder, source: Path, notes: list[Event], *overrides: str) -> list[str]:
    return [str(name) for block in predict(run.path, source, overrides=overrides, listener=notes.append).blocks
            for name in block.cells[0]]  # fmt: skip


def told(notes: list[Event]) -> list[str]:
    return [note.text for note in notes if isinstance(note, Note) and note.subject == "warning"]


@pytest.mark.parametrize("batch", [256, 1])
def test_unreadable_files_are_skipped_and_named_on_request(
    run: RunFolder, dirty: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(decoding, "_BATCH", batch)
    notes: list[Event] = []
    with pytest.raises(DataError, match=r"a/000\.png cannot be read: it is text") as raised:
        names(run, dirty, notes)
    assert "--set dataset.corrupt=skip" in raised.value.hint
    found = names(run, dirty, notes, *SKIP)
    expected = {f"{label}/{number:03}.png" for label in "ab" for number in range(6)} - {"a/000.png", "b/001.png"}
    assert found == sorted(expected)
    first, second = told(notes)
    assert first == "1 of 12 files cannot be read and are left out: a/000.png (it is text)"
    assert "b/001.png (Invalid PNG" in second
    notes.clear()
    scored = evaluate(run.path, data=str(dirty), overrides=SKIP, listener=notes.append)["data-dirty"]
    assert (scored.breakdown.examples, len(told(notes))) == (10, 2)
    with pytest.raises(DataError, match=r"a/000\.png"):
        evaluate(run.path, data=str(dirty))


def test_a_run_trained_with_skipping_skips_them_by_default(
    run: RunFolder, dirty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = run.path.parents[1]
    monkeypatch.chdir(home)
    (home / "y.yaml").write_text(CONFIG.format(path=f"{dirty}, corrupt: skip"))
    trained = train(home / "y.yaml", runs_dir=tmp_path / "runs").folder
    notes: list[Event] = []
    assert len(names(trained, dirty, notes)) == 10
    assert len(told(notes)) == 2
    found = explain(trained.path, str(dirty), listener=notes.append)
    assert found.columns is None
    assert len(list(found.examples)) == 10


def test_input_without_any_readable_file_is_still_an_error(run: RunFolder, dirty: Path) -> None:
    for kept in (dirty / "a" / "000.png", dirty / "b" / "001.png"):
        with pytest.raises(DataError, match="cannot be read") as raised:
            names(run, kept, [], *SKIP)
        assert "corrupt=skip" not in raised.value.hint  # which was given
    shutil.copy(dirty / "b" / "001.png", dirty / "b" / "000.png")
    with pytest.raises(DataError, match="2 of 2 images cannot be read"):
        names(run, dirty / "b" / "00[01].png", [], *SKIP)


def test_several_files_from_a_shell_pattern_are_predicted_together(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write_classes(tmp_path / "new", count=2)
    monkeypatch.chdir(tmp_path)
    files = ["new/a/000.png", "new/a/001.png", "new/b/001.png"]
    app(["predict", str(run.path), *files, "-o", "p.csv", "-q"], standalone_mode=False)
    rows = list(csv.DictReader((tmp_path / "p.csv").open()))
    assert [row["name"] for row in rows] == files
    (alone,) = predict(run.path, files[1]).blocks
    assert float(rows[1]["probability"]) == pytest.approx(float(alone.cells[2][0]))
    app(["explain", str(run.path), *files, "-o", "explained", "-q"], standalone_mode=False)
    assert len(list((tmp_path / "explained").glob("*.png"))) == 3
    capfd.readouterr()
    with pytest.raises(DataError, match="nope does not exist"):
        predict(run.path, [*files, "nope"])


def test_a_key_without_effect_is_refused(run: RunFolder, dirty: Path) -> None:
    for override in ("training.epochs=3", "dataset.path=elsewhere", "name=x"):
        with pytest.raises(UsageError, match="has no effect on predictions"):
            names(run, dirty, [], override)
        with pytest.raises(UsageError, match="has no effect on the scores of a file"):
            evaluate(run.path, data=str(dirty), overrides=(override,))
