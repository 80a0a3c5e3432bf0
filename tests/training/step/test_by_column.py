"""Targets with several columns of classes: one network, and a softmax, a loss and scores per column."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import yaml

from dlrun.errors import DataError, SpecError
from dlrun.experiment.session import TrainingResult
from dlrun.experiment.train import train
from dlrun.losses import losses_for
from dlrun.metrics.metric import metrics_for
from dlrun.prediction.columns import Top
from dlrun.signature import Target
from dlrun.training.progress.events import silent

pytestmark = pytest.mark.tensorflow

Array = npt.NDArray[Any]
TARGET = Target.of_columns(
    {"colour": ("blue", "green", "red"), "size": ("big", "small"), "grade": ("0", "1", "2", "3")}
)
ROWS = 600


def write_table(path: Path, *, seed: int = 0) -> Path:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(ROWS, 3)).round(3)
    colours = np.array(["blue", "green", "red"])[np.digitize(x[:, 0], [-0.5, 0.5])]
    sizes = np.where(x[:, 1] + x[:, 2] > 0, "big", "small")
    grades = np.digitize(x[:, 2], [-1, 0, 1])
    rows = [
        f"{a},{b},{c},{one},{two},{three}" for (a, b, c), one, two, three in zip(x, colours, sizes, grades, strict=True)
    ]
    path.write_text("a,b,c,colour,size,grade\n" + "\n".join(rows) + "\n")
    return path


def spec(place: Path, **keys: Any) -> dict[str, Any]:
    dataset = {"type": "table", "path": str(place / "table.csv"), "target": [*TARGET.names], "test": 0.2}
    training = {"batch_size": 16, "epochs": 15, "jit": "off", "precision": "float32", "tensorboard": False}
    whole = {
        "dataset": dataset,
        "model": {"type": "mlp", "units": [32]},
        "optimizer": {"type": "adam", "learning_rate": 0.01},
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy", "f1_score", "sparse_categorical_crossentropy"],
        "training": training,
    }
    return {**whole, **keys, "training": {**training, **keys.get("training", {})}}


def config(place: Path, **keys: Any) -> Path:
    (place / "x.yaml").write_text(yaml.safe_dump(spec(place, **keys)))
    return place / "x.yaml"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("columns")
    write_table(folder / "table.csv")
    write_table(folder / "new.csv", seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLRUN_STATE", str(folder / "state"))
        yield folder


@pytest.fixture(scope="module")
def result(place: Path) -> TrainingResult:
    return train(config(place), runs_dir=place / "runs")


def read(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def truth_of(path: Path) -> Array:
    names = {part.name: part.target.class_names for part in TARGET.parts}
    return np.array([[classes.index(row[name]) for name, classes in names.items()] for row in read(path)])


def probabilities_of(result: TrainingResult, path: Path) -> Array:
    from dlrun.runs.interface import read_interface
    from dlrun.spec.stored import read_stored_spec
    from dlrun.training.trained import load_trained

    file = read_stored_spec(result.folder, looks_at_data=False)
    trained = load_trained(result.folder, file.spec, checkpoint="final", listener=silent)
    (block,) = read_interface(result.folder).read(str(path))
    return trained.predictor()(block.stored)


def test_scores_are_the_means_over_columns_that_numpy_computes(place: Path, result: TrainingResult) -> None:
    from dlrun.evaluation.evaluate import evaluate

    (found,) = evaluate(result.folder.path, data=str(place / "new.csv")).values()
    probabilities, truth = probabilities_of(result, place / "new.csv"), truth_of(place / "new.csv")
    assert probabilities.shape == (ROWS, 9)
    accuracies, surprises = [], []
    for number, part in enumerate(TARGET.parts):
        own = probabilities[:, part.places]
        assert np.abs(own.sum(axis=1) - 1).max() < 1e-5
        accuracies.append((own.argmax(axis=1) == truth[:, number]).mean())
        surprises.append(-np.log(own[np.arange(ROWS), truth[:, number]]).mean())
        assert found.breakdown.overall[f"accuracy_{part.name}"] == pytest.approx(accuracies[-1])
    assert np.mean(accuracies) > 0.9
    assert found.scores["accuracy"] == pytest.approx(np.mean(accuracies), abs=1e-6)
    assert found.scores["loss"] == pytest.approx(np.mean(surprises), rel=1e-4)
    assert found.scores["sparse_categorical_crossentropy"] == pytest.approx(np.mean(surprises), rel=1e-4)
    assert found.breakdown.overall["log_loss"] == pytest.approx(np.mean(surprises), rel=1e-4)
    f1 = [found.breakdown.parts[name]["f1"] for name in TARGET.class_names]
    # Of two classes it is that of the second, as where they are all there is.
    of_columns = [np.mean(f1[part.places][part.target.size == 2 :]) for part in TARGET.parts]
    assert found.scores["f1_score"] == pytest.approx(np.mean(of_columns), abs=1e-5)


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "kl_divergence", "categorical_generalized_cross_entropy"])
def test_every_encoding_of_a_loss_learns_every_column(place: Path, loss: str) -> None:
    metrics = ["accuracy", {"type": "auc", "name": "area"}]
    made = train(config(place, loss=loss, metrics=metrics, training={"report": False}), runs_dir=place / "runs")
    scores = made.scores["test"]
    assert scores["accuracy"] > 0.85, loss
    assert scores["area"] > 0.9, loss
    probabilities, truth = probabilities_of(made, place / "new.csv"), truth_of(place / "new.csv")
    for number, part in enumerate(TARGET.parts):
        assert (probabilities[:, part.places].argmax(axis=1) == truth[:, number]).mean() > 0.8, (loss, part.name)


def test_rows_without_a_target_are_left_out_of_an_evaluation_if_the_spec_says_so(
    place: Path, result: TrainingResult
) -> None:
    from dlrun.evaluation.evaluate import evaluate

    lines = (place / "new.csv").read_text().splitlines()
    few = [*lines[:201], *(line.rpartition(",")[0] + "," for line in lines[201:211])]
    (place / "blank.csv").write_text("\n".join(few))
    (place / "few.csv").write_text("\n".join(lines[:201]))
    with pytest.raises(DataError, match=r"blank\.csv:202 \(row 201\): the target 'grade' has no value"):
        evaluate(result.folder.path, data=str(place / "blank.csv"))
    dataset = {**spec(place)["dataset"], "missing_target": "drop"}
    dropping = train(config(place, dataset=dataset, training={"report": False, "epochs": 1}), runs_dir=place / "runs")
    told: list[Any] = []
    (blank,) = evaluate(dropping.folder.path, data=str(place / "blank.csv"), listener=told.append).values()
    (without,) = evaluate(dropping.folder.path, data=str(place / "few.csv")).values()
    assert blank.scores == without.scores
    assert blank.breakdown == without.breakdown
    assert any("10 of 210 examples of" in str(event) for event in told)


def test_predictions_name_a_class_for_each_column(place: Path, result: TrainingResult) -> None:
    from dlrun.prediction.predict import predict

    tops: tuple[tuple[Top | None, int], ...] = ((None, 0), ("all", 9))
    for top, more in tops:
        made = predict(result.folder.path, place / "new.csv", top=top)
        names = [column.name for column in made.columns]
        assert {"name", "colour", "probability_colour", "size", "grade", "probability_grade"} <= {*names}
        assert len(names) == 7 + more
        (block,) = made.blocks
        cells = dict(zip(names, block.cells, strict=True))
        for number, part in enumerate(TARGET.parts):
            right = [part.target.class_names[index] for index in truth_of(place / "new.csv")[:, number]]
            assert np.mean(np.array(cells[part.name]) == np.array(right)) > 0.85
    assert "probability_colour=red" in names


def test_the_report_and_the_explanation_know_the_columns(place: Path, result: TrainingResult) -> None:
    from dlrun.explanation.explain import explain

    page = result.folder.report_html.read_text()
    assert "accuracy of colour" in page
    assert "colour=red" in page
    assert "colour, prediction" in page
    assert "importances.png" in {p.name for p in result.folder.plots.iterdir()}
    assert {"confusion_1.png", "confusion_2.png", "confusion_3.png"} <= {p.name for p in result.folder.plots.iterdir()}
    explained = explain(result.folder.path, place / "new.csv").columns
    assert explained is not None
    assert explained.measure == "log loss"
    assert {each.column for each in explained.importances} == {"a", "b", "c"}
    assert all(each.mean > 0.05 for each in explained.importances)


@pytest.mark.parametrize(
    "name", ["onnx", *(pytest.param(name, marks=pytest.mark.soak) for name in ("tflite", "keras"))]
)
def test_an_exported_model_gives_a_softmax_for_each_column(place: Path, result: TrainingResult, name: str) -> None:
    from dlrun.exporting.export import export

    if name == "onnx":
        pytest.importorskip("onnxruntime", reason="ONNX is an extra")
    made = export(result.folder.path, name, output=place / f"model.{name}", data=place / "new.csv")
    assert made.measured.relative_difference < 1e-4
    assert made.description.labels == TARGET.class_names
    assert made.description.kind == "class_columns"


def test_options_that_do_not_work_for_several_columns_are_errors(place: Path) -> None:
    assert "sparse_categorical_crossentropy" in losses_for(TARGET)
    assert not {"binary_crossentropy", "hinge", "mean_squared_error"} & {*losses_for(TARGET)}
    assert {"accuracy", "auc", "f1_score"} <= {*metrics_for(TARGET)}
    assert "mean_absolute_error" not in metrics_for(TARGET)
    ends = {"type": "sequential", "layers": [{"Dense": {"units": 9, "activation": "softmax"}}]}
    for keys, said in (
        ({"loss": "binary_crossentropy", "metrics": []}, "does not work with the target: 3 class columns"),
        ({"training": {"class_weight": "balanced"}}, "class weights do not work with a target of class columns"),
        ({"model": ends}, "ends with softmax"),
    ):
        with pytest.raises(SpecError, match=said):
            train(config(place, **keys), runs_dir=place / "runs")


def test_training_that_is_interrupted_and_resumed_ends_with_the_same_bits(place: Path) -> None:
    from dlrun.experiment.resume import resume

    def digest(folder: Any) -> str:
        return str(json.loads(folder.run_json.read_text())["weights_sha256"])

    short = {"report": False, "epochs": 4}
    whole = train(config(place, training=short), runs_dir=place / "runs")
    cut = train(config(place, training={**short, "epochs": 2}), runs_dir=place / "runs")
    resumed = resume(cut.folder.path, overrides=("training.epochs=4",), runs_dir=place / "runs")
    assert digest(resumed.folder) == digest(whole.folder)
