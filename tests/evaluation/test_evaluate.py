"""`evaluate` computes the scores of every class or value, and records them in the run folder."""

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.cli.app import app
from dlrun.data.builtin import Builtin
from dlrun.data.dataset import Dataset
from dlrun.errors import DataError, UsageError
from dlrun.evaluation.evaluate import evaluate
from dlrun.evaluation.record import record_evaluation
from dlrun.experiment.resume import resume
from dlrun.experiment.train import train
from dlrun.runs.fold_predictions import read_fold_predictions
from dlrun.runs.folder import RunFolder
from dlrun.scoring.breakdown import Breakdown
from dlrun.training.progress.events import Event, Note
from shapes import shapes_config, write_shapes

CONFIG = """\
name: {name}
dataset: {{type: builtin, name: {name}, validation: 0.2}}
model: {{type: mlp, units: [8]}}
loss: {loss}
metrics: [{metric}]
training: {{batch_size: 16, epochs: 2, jit: off, tensorboard: false, report: false}}
"""


class Notes(list[Event]):
    def __call__(self, event: Event) -> None:
        self.append(event)

    def warnings(self) -> list[str]:
        return [event.text for event in self if isinstance(event, Note) and event.subject == "warning"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("evaluated")
        patch.setenv("DLRUN_STATE", str(folder / "state"))
        yield folder


def trained(place: Path, name: str, loss: str, metric: str) -> RunFolder:
    (place / "x.yaml").write_text(CONFIG.format(name=name, loss=loss, metric=metric))
    return train(place / "x.yaml", runs_dir=place / "runs").folder


@pytest.fixture(scope="module")
def wine(place: Path) -> RunFolder:
    return trained(place, "wine", "sparse_categorical_crossentropy", "accuracy")


@pytest.mark.tensorflow
def test_the_scores_of_the_most_frequent_class_are_recorded_with_those_of_the_model(
    wine: RunFolder, place: Path
) -> None:
    record = wine.read_record()
    assert record.baseline is not None
    assert record.baseline.method == "the most frequent class"
    assert sum(record.baseline.values) == pytest.approx(1)
    assert record.naive["test"].keys() == record.result["test"].keys()
    loaded = Builtin(name="wine", validation=0.2).load()
    test = loaded.splits["test"].target
    assert test is not None
    share = float(np.mean(test == np.argmax(record.baseline.values)))
    assert record.naive["test"]["accuracy"] == pytest.approx(share)
    found = evaluate(wine.path, runs_dir=place / "runs")["test"]
    assert found.breakdown.naive == record.naive["test"]
    assert wine.read_record().evaluation["test"].naive == record.naive["test"]
    np.savez(place / "some.npz", x=loaded.splits["test"].features[:9], y=test[:9])
    of_file = evaluate(wine.path, data=str(place / "some.npz"), runs_dir=place / "runs")["data-some"]
    share = float(np.mean(test[:9] == np.argmax(record.baseline.values)))
    assert of_file.breakdown.naive["accuracy"] == pytest.approx(share)


@pytest.mark.tensorflow
def test_an_area_is_the_same_in_training_in_evaluation_and_for_a_file(place: Path) -> None:
    run = trained(place, "breast_cancer", "binary_crossentropy", "auc")
    evaluations = evaluate(run.path, split="all", runs_dir=place / "runs")
    for split, found in evaluations.items():
        assert found.breakdown.overall["roc_auc"] == pytest.approx(found.scores["auc"], abs=1e-6)
        assert found.breakdown.naive["auc"] == 0.5
        if split != "train":
            assert run.read_record().result[split]["auc"] == found.scores["auc"]
    assert run.read_metrics()[-1]["val_auc"] == evaluations["validation"].scores["auc"]
    test = Builtin(name="breast_cancer", validation=0.2).load().splits["test"]
    np.savez(place / "all.npz", x=test.features, y=np.asarray(test.target))
    of_file = evaluate(run.path, data=str(place / "all.npz"), runs_dir=place / "runs")["data-all"]
    assert of_file.scores["auc"] == pytest.approx(evaluations["test"].scores["auc"], abs=1e-6)


@pytest.mark.tensorflow
def test_scores_of_values_far_from_0_match_the_breakdown(place: Path) -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(200, 2))
    target = 3e6 + 900 * (features.sum(axis=1) + generator.normal(size=200) * 0.6)
    rows = "\n".join(f"{a:.4f},{b:.4f},{y:.2f}" for (a, b), y in zip(features, target, strict=True))
    (place / "far.csv").write_text(f"a,b,y\n{rows}\n")
    (place / "far.yaml").write_text(
        f"dataset: {{type: table, path: {place}/far.csv, target: y, validation: 0.2, test: 0.2}}\nmodel: linear\n"
        "optimizer: {type: adam, learning_rate: 0.05}\nloss: mean_squared_error\n"
        "metrics: [r2_score, mean_absolute_error]\ntraining: {epochs: 20, tensorboard: false, report: false}\n"
    )
    run = train(place / "far.yaml", runs_dir=place / "runs").folder
    found = evaluate(run.path, runs_dir=place / "runs")["test"]
    (part,) = found.breakdown.parts.values()
    assert 0.4 < found.scores["r2_score"] < 0.95
    assert part["r2"] == pytest.approx(found.scores["r2_score"], abs=1e-4)
    assert part["mae"] == pytest.approx(found.scores["mean_absolute_error"], rel=1e-3)
    assert run.read_metrics()[-1]["r2_score"] == pytest.approx(found.scores["r2_score"], abs=0.3)


@pytest.mark.tensorflow
def test_without_a_test_split_the_validation_split_is_evaluated_and_a_note_says_so(place: Path) -> None:
    (place / "no_test.yaml").write_text(
        "dataset: {type: builtin, name: wine, test: 0, validation: 0.2}\nmodel: linear\n"
        "loss: sparse_categorical_crossentropy\ntraining: {epochs: 1, tensorboard: false, report: false}\n"
    )
    run = train(place / "no_test.yaml", runs_dir=place / "runs").folder
    notes: list[str] = []
    found = evaluate(
        run.path, runs_dir=place / "runs", listener=lambda event: notes.append(str(getattr(event, "text", "")))
    )
    assert list(found) == ["validation"]
    assert "validation, because the run has no test split" in notes


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.tensorflow
def test_every_class_is_scored_and_recorded_with_the_metrics_of_the_spec(wine: RunFolder) -> None:
    before = wine.read_record()
    (found,) = evaluate(wine.path).values()
    assert found.scores == pytest.approx(before.result["test"])
    overall = found.breakdown.overall
    assert overall["accuracy"] == pytest.approx(found.scores["accuracy"], abs=1e-6)
    assert overall["log_loss"] == pytest.approx(found.scores["loss"], rel=1e-4)
    record = wine.read_record()
    kept = record.evaluation["test"]
    assert (kept.kind, kept.checkpoint, kept.examples) == ("classes", "final", before.dataset and 36)
    assert kept.fingerprint == (before.dataset.fingerprint if before.dataset else "")
    assert np.array(kept.confusion).sum() == 36
    assert record.model_copy(update={"evaluation": {}}) == before.model_copy(update={"evaluation": {}})
    rows = rows_of(wine.evaluation / "test.csv")
    assert [row["class"] for row in rows] == list(kept.parts)
    assert [float(row["f1"]) for row in rows] == [part["f1"] for part in kept.parts.values()]
    matrix = rows_of(wine.evaluation / "test_confusion.csv")
    assert [[int(row[name]) for name in kept.parts] for row in matrix] == kept.confusion


@pytest.mark.tensorflow
def test_a_file_scores_like_a_split_with_the_same_examples_without_the_training_data(
    wine: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_split, test = evaluate(wine.path)["test"], Builtin(name="wine", validation=0.2).load().splits["test"]
    monkeypatch.setattr(Builtin, "load", lambda _: pytest.fail("the training data was asked for"))
    monkeypatch.setattr(Builtin, "describe", lambda _: pytest.fail("the training data was asked for"))
    assert test.target is not None
    np.savez(tmp_path / "new wine.npz", x=test.features, y=test.target)
    found = evaluate(wine.path, data=str(tmp_path / "new wine.npz"))
    assert list(found) == ["data-new_wine"]
    assert found["data-new_wine"].scores == pytest.approx(of_split.scores, rel=1e-5)
    assert found["data-new_wine"].breakdown.confusions == of_split.breakdown.confusions
    kept = wine.read_record().evaluation
    assert {"test", "data-new_wine"} <= kept.keys()
    assert kept["data-new_wine"].data == str(tmp_path / "new wine.npz")
    assert (wine.evaluation / "data-new_wine_confusion.csv").exists()
    np.savez(tmp_path / "none.npz", x=test.features[:0], y=test.target[:0])
    with pytest.raises(DataError, match="contains no examples"):
        evaluate(wine.path, data=str(tmp_path / "none.npz"))


@pytest.mark.tensorflow
def test_a_regression_has_a_row_for_each_value_with_its_naive_scores(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, load = trained(place, "diabetes", "mean_squared_error", "mean_absolute_error"), Builtin.load

    def with_naive(self: Builtin) -> Dataset:
        loaded = load(self)
        target = loaded.splits["test"].target
        assert target is not None
        return replace(loaded, naive={"test": np.full_like(target, 150)})

    monkeypatch.setattr(Builtin, "load", with_naive)
    found = evaluate(run.path)["test"]
    ((name, part),) = found.breakdown.parts.items()
    assert part["mae"] == pytest.approx(found.scores["mean_absolute_error"], rel=1e-3)
    assert part["rmse"] == pytest.approx(np.sqrt(found.scores["loss"]), rel=1e-5)
    assert 40 < part["naive_mae"] < part["naive_rmse"] < 100
    assert rows_of(run.evaluation / "test.csv")[0].keys() == {"target", *part}
    assert not (run.evaluation / "test_confusion.csv").exists()
    app(["eval", str(run.path)], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("test       loss ")
    assert lines[1].startswith("naive      loss ")
    assert lines[3].split() == ["target", *part]
    assert lines[4].split()[0] == name


@pytest.mark.tensorflow
def test_scores_that_cannot_be_recorded_are_returned_with_a_warning(
    wine: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = wine.run_json.read_bytes()
    notes = Notes()
    with wine.lock():
        held = record_evaluation(wine, "x", {}, Breakdown("values", 1, {}), origin=origin(), listener=notes)
    (said,) = notes.warnings()
    assert (held, "not recorded" in said) == (None, True)
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path))  # the run is a stranger's now
    notes.clear()
    found = evaluate(wine.path, split="validation", listener=notes)["validation"]
    assert found.table is None
    assert found.scores["accuracy"] >= 0
    assert any("was made elsewhere" in said for said in notes.warnings())
    assert wine.run_json.read_bytes() == before


@pytest.mark.tensorflow
def test_the_command_prints_a_table_or_everything_as_json(wine: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    app(["eval", str(wine.path)], standalone_mode=False)
    out = capsys.readouterr().out
    for said in ("test       loss ", "class ", "precision", "macro mean", "weighted mean", "true \\ predicted"):
        assert said in out
    app(["eval", str(wine.path), "--json"], standalone_mode=False)
    of_test = json.loads(capsys.readouterr().out)["test"]
    assert of_test["evaluation"]["checkpoint"].startswith(("step-", "best"))
    assert of_test["accuracy"] == pytest.approx(of_test["evaluation"]["overall"]["accuracy"], abs=1e-6)
    assert np.array(of_test["evaluation"]["confusion"]).sum() == 36


def origin() -> Any:
    from dlrun.evaluation.record import Origin

    return Origin("final", "step-000000001", "some data")


def many(size: int) -> Breakdown:
    parts = {str(index): {"f1": 0.5, "roc_auc": float("nan")} for index in range(size)}
    return Breakdown("classes", size, {"accuracy": 1.0}, parts, tuple((index, index, 1) for index in range(size)))


def test_tables_contain_thousands_of_classes_and_the_page_only_the_worst(tmp_path: Path) -> None:
    from dlrun.cli.display.scores import score_tables
    from dlrun.evaluation.evaluate import Evaluation
    from dlrun.evaluation.record import _confusion_csv, _parts_csv

    breakdown = many(5000)
    assert len(_parts_csv(breakdown).splitlines()) == 5001
    assert _confusion_csv(breakdown).splitlines()[:2] == ["true,predicted,examples", "0,0,1"]
    assert _confusion_csv(many(3)).splitlines()[:2] == ["true,0,1,2", "0,1,0,0"]
    tables = "\n".join(score_tables(Evaluation({}, breakdown, "best", tmp_path / "test.csv")))
    assert "the 10 worst of 5,000" in tables
    assert "test.csv" in tables
    assert "no example was misclassified" in tables


TABLE = """\
dataset: {type: table, path: rows.csv, target: label, test: 0.25}
model: linear
loss: binary_crossentropy
training: {batch_size: 10, epochs: 1, jit: off, tensorboard: false, report: false}
"""


@pytest.mark.tensorflow
def test_changed_data_is_refused_unless_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    (tmp_path / "configs").mkdir()
    rows = "size,paid,label\n" + "".join(f"{i % 9}.{i},{'no' if i % 2 else 'so'},{'xy'[i % 2]}\n" for i in range(80))
    data, config = tmp_path / "configs" / "rows.csv", tmp_path / "configs" / "c.yaml"
    data.write_text(rows)
    config.write_text(TABLE)
    notes = Notes()
    run = train(config, runs_dir=tmp_path / "runs", listener=notes).folder
    assert [event for event in notes if isinstance(event, Note) and "from the config's folder" in event.text]
    assert [said for said in notes.warnings() if "paid alone predicts the target" in said and "ignore: [paid]" in said]
    monkeypatch.chdir(tmp_path / "state")  # the data is found again, wherever one is
    evaluate(run.path)
    for changed, said in (
        (rows.replace("size", "height"), "its columns differ: without size and with height"),
        (rows.replace("1.5", "1.05"), "rows.csv has changed.*: values differ in size\n"),
        (rows.replace("no,", "nay,"), "its categories of 'paid' differ: without no and with nay"),
        (rows.replace("\n", "\n€")[:-1], "its units differ: with size in €"),
        (rows[: rows.rindex("\n", 0, -1) + 1], "had 20 examples, and now has|had 60 examples, and now has"),
        (rows.replace(",label", ",label").replace(",y", ",z"), "its classes differ: without y and with z"),
        ("\n".join(f"{line},{i % 5}.5" for i, line in enumerate(rows.splitlines())), "its columns differ: with"),
    ):
        data.write_text(changed)
        with pytest.raises(UsageError, match=said):
            evaluate(run.path)
        if "categories" in said or "columns" in said:
            with pytest.raises(UsageError, match=said):
                resume(run.path, overrides=("training.epochs=2",))
    data.write_text(rows.replace("size", "height"))
    for option in ("-q", "--json"):
        with pytest.raises(SystemExit, match="2"):
            app(["eval", str(run.path), option], standalone_mode=False)
    notes = Notes()
    evaluate(run.path, allow_changes=True, listener=notes)
    assert "has changed since the training: its columns differ" in notes.warnings()[0]
    with pytest.raises(DataError, match="size"):
        evaluate(run.path, data=str(data))
    with pytest.raises(UsageError, match="--allow-changes has no effect with a file"):
        evaluate(run.path, data=str(data), allow_changes=True)
    assert not capsys.readouterr().out


@pytest.fixture(scope="module")
def shapes(place: Path) -> RunFolder:
    """The run of a fold, whose model is trained on images with masks."""
    home = write_shapes(place / "shapes")
    config = shapes_config(home, fold="{count: 4, index: 0}").replace("validation: 0.25", "standardize: false")
    (place / "shapes.yaml").write_text(config.replace("report: false", "report: true"))
    return train(place / "shapes.yaml", runs_dir=place / "runs").folder


@pytest.mark.tensorflow
def test_masks_are_scored_by_pixels_and_a_fold_keeps_their_counts_and_a_report_shows_them(shapes: RunFolder) -> None:
    (found,) = evaluate(shapes.path).values()
    breakdown = found.breakdown
    assert breakdown.matrix().sum() == 4 * 13 * 10 == sum(part["pixels"] for part in breakdown.parts.values())
    assert breakdown.overall["mean_iou"] > 0.8
    assert breakdown.naive
    assert found.table is not None
    rows = list(csv.DictReader(found.table.open()))
    assert [row["class"] for row in rows] == ["ground", "box"]
    assert float(rows[1]["iou"]) == breakdown.parts["box"]["iou"]
    assert shapes.read_record().evaluation["validation"].confusion == breakdown.matrix().tolist()
    kept = read_fold_predictions(shapes)
    assert (kept.outputs.shape, kept.target.size) == ((4, 4), 0)
    assert kept.outputs.sum(axis=0).reshape(2, 2).tolist() == breakdown.matrix().tolist()
    assert shapes.report_html.read_text().count('class="panels"') == 4


@pytest.mark.tensorflow
def test_the_masks_of_other_images_are_in_the_folder_or_the_column_that_is_given(
    shapes: RunFolder, tmp_path: Path
) -> None:
    home = write_shapes(tmp_path / "other", count=3, height=20)
    images, notes = home / "images", Notes()
    with pytest.raises(DataError, match="no column 'seg' with the paths of the masks"):
        evaluate(shapes.path, data=listed(home, "mask"), overrides="dataset.mask_column=seg")
    with pytest.raises(DataError, match="nowhere cannot be read: no such file"):
        evaluate(shapes.path, data=images, overrides=f"dataset.masks={home / 'nowhere'}")
    of_folder = evaluate(shapes.path, data=images, overrides=f"dataset.masks={home / 'masks'}", listener=notes)
    assert Note("masks", str(home / "masks")) in notes
    of_list = evaluate(shapes.path, data=listed(home, "seg"), overrides="dataset.mask_column=seg", by="camera")
    (one,), (other,) = of_folder.values(), of_list.values()
    assert one.breakdown.matrix().tolist() == other.breakdown.matrix().tolist()
    (column,) = other.breakdown.slices
    assert column.main == "mean_iou"
    assert [each.name for each in column.slices] == ["a", "b"]
    assert column.slices[0].scores.keys() == {"mean_iou", "accuracy"}


@pytest.mark.tensorflow
def test_a_run_from_elsewhere_reads_masks_only_where_the_user_says(shapes: RunFolder, tmp_path: Path) -> None:
    foreign = Path(shutil.copytree(shapes.path, tmp_path / "foreign"))
    (foreign / ".signature").unlink()
    home = write_shapes(tmp_path / "again")
    images = home / "images"
    with pytest.raises(DataError, match="not known where the masks") as raised:
        evaluate(foreign, data=images)
    assert raised.value.hint == "--set dataset.masks=FOLDER"
    assert evaluate(foreign, data=images, overrides=f"dataset.masks={home / 'masks'}")


def listed(home: Path, column: str) -> Path:
    """Write a list of images with their masks in a column."""
    names = sorted(path.name for path in (home / "images").iterdir())
    rows = [f"images/{name},masks/{name},{'ab'[index % 2]}" for index, name in enumerate(names)]
    (home / f"{column}.csv").write_text("\n".join([f"path,{column},camera", *rows]) + "\n")
    return home / f"{column}.csv"
