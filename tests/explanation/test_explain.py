"""Explanations find the decisive pixel, word or column of constructed data."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import DataError, UsageError
from dlrun.explanation.pixels import overlay
from dlrun.scoring.importances import change_of, loss_of, permutation_importances
from dlrun.signature import Target

VALUES = Target("values", 1, encoding="value")


def test_the_decisive_column_is_the_most_important_and_others_are_not() -> None:
    stored = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    truth = 2 * stored[:, 1]
    measure, name = loss_of(truth, VALUES)
    columns = {"a": (0,), "b": (1,), "both": (0, 2)}
    found = permutation_importances(lambda rows: 2 * rows[:, 1:2], stored, columns, measure=measure)
    assert name == "RMSE"
    assert found[0].column == "b"
    assert found[0].mean == pytest.approx(2 * np.sqrt(2), rel=0.2)
    assert [each.mean for each in found[1:]] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("target", "truth", "outputs"),
    [
        (Target("classes", 2), np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]])),
        (Target("labels", 2), np.array([[1, 0], [0, 1]]), np.array([[0.9, 0.1], [0.2, 0.8]])),
        (Target("values", 2, encoding="value"), np.array([[0.0, 5.0], [1.0, 9.0]]), np.array([[0.1, 5.5], [0.9, 8.0]])),
    ],
)
def test_a_measure_grows_when_predictions_get_worse(target: Target, truth: Any, outputs: Any) -> None:
    measure, _ = loss_of(truth, target)
    assert measure(outputs) < measure(outputs[::-1])
    moved, _ = change_of(outputs)
    assert moved(outputs) == 0 < moved(outputs[::-1])


COLUMNS = Target.of_columns({"a": ("x", "y"), "b": ("u", "v", "w")})


@pytest.mark.parametrize(
    ("target", "truth", "output", "said"),
    [
        (Target("classes", 3, ("x", "y", "z")), np.array([0, 2]), 2, "log loss of z"),
        (Target("labels", 3, ("x", "y", "z")), np.array([[1, 1, 0], [1, 0, 1]]), 2, "log loss of z"),
        (COLUMNS, np.array([[0, 1], [1, 2]]), 4, "log loss of b=w"),
        (Target("values", 2, encoding="value", names=("p", "q")), np.array([[5.0, 0.1], [5.0, 0.9]]), 1, "RMSE of q"),
        (Target("values", 1, encoding="value"), np.array([0.1, 0.9]), 0, "RMSE"),
    ],
)
def test_a_measure_of_one_output_ignores_the_others(target: Target, truth: Any, output: int, said: str) -> None:
    outputs = np.full((2, target.size), 0.5)
    outputs[:, output] = [0.1, 0.9]
    others = np.random.default_rng(0).random(outputs.shape)
    others[:, output] = outputs[:, output]
    measure, name = loss_of(truth, target, output)
    assert name == said
    assert measure(outputs) == measure(others) < measure(outputs[::-1])
    moved, _ = change_of(outputs, output)
    assert moved(others) == 0 < moved(outputs[::-1])


def test_a_picture_shows_the_image_and_the_heat_map_side_by_side() -> None:
    png = overlay(np.full((4, 8, 1), 100, np.uint8), np.eye(4, 8, dtype=np.float32))
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20], "big") == 2 * 256 + 8


@pytest.mark.tensorflow
@pytest.mark.parametrize("method", ["grad_cam", "smooth_grad"])
def test_the_decisive_pixel_is_the_warmest(method: Any) -> None:
    import keras

    from dlrun.explanation.pixels import heat

    inputs = keras.Input((6, 6, 1))
    places = keras.layers.Conv2D(1, 1, kernel_initializer="ones")(inputs)
    head = keras.layers.Dense(2, kernel_initializer="zeros")
    core = keras.Model(inputs, head(keras.layers.Flatten()(places)))
    weights = np.zeros((36, 2), np.float32)
    weights[[8, 20], [0, 1]] = 1  # (1, 2) speaks for the first class, (3, 2) for the second
    head.set_weights([weights, np.zeros(2, np.float32)])
    image = np.zeros((6, 6, 1), np.float32)
    image[1, 2] = image[3, 2] = 1
    for output, place in ((0, (1, 2)), (1, (3, 2))):
        found, name = heat(core, image, output, Target("classes", 2), method=method)
        assert name == method
        assert found.max() == 1
        if method == "smooth_grad":
            assert found[place] == 1
            assert (found == 1).sum() == 1
        else:  # its weights are means over places, so both are as warm
            assert found[place] == 1


CONFIGS = {
    "texts": "dataset: {type: text, path: %s, test: 0.2}\nmodel: {type: linear}\nloss: binary_crossentropy\n",
    "rows": "dataset: {type: table, path: %s, target: y, test: 1}\nmodel: {type: linear}\nloss: binary_crossentropy\n",
}


@pytest.mark.tensorflow
@pytest.mark.parametrize("kind", CONFIGS)
def test_the_decisive_word_and_column_of_a_run_are_found(kind: str, tmp_path: Path) -> None:
    from dlrun.experiment import train as experiment
    from dlrun.explanation.explain import explain

    path, config = tmp_path / "x.csv", tmp_path / "x.yaml"
    generator = np.random.default_rng(0)
    rows = [(generator.integers(2), *generator.normal(size=2)) for _ in range(200)]
    if kind == "texts":
        lines = ["text,label", *(f"the film is {('dull', 'fine')[y]},{('no', 'yes')[y]}" for y, *_ in rows)]
        bag = CONFIGS[kind].replace("test: 0.2", "test: 0.2, output_mode: multi_hot, vocabulary_size: 20")
        config.write_text(bag % path)
    else:
        lines = ["a,b,y", *(f"{a},{b + 3 * y},{('no', 'yes')[y]}" for y, a, b in rows)]
        config.write_text(CONFIGS[kind] % path)
    path.write_text("\n".join(lines) + "\n")
    keys = (
        "training.epochs=6",
        "training.report=false",
        "training.tensorboard=false",
        "optimizer={type: adam, learning_rate: 0.05}",
    )
    run = experiment.train(config, overrides=keys, runs_dir=tmp_path).folder
    found = explain(run.path, str(path), limit=2, runs_dir=tmp_path)
    if kind == "rows":
        assert found.columns is not None
        assert found.columns.importances[0].column == "b"
        assert found.columns.measure == "log loss"
        new = tmp_path / "new.csv"
        new.write_text("a,b\n1,2\n3,4\n")
        unlabelled = explain(run.path, str(new), runs_dir=tmp_path).columns
        assert unlabelled is not None
        assert unlabelled.measure == "mean change of the prediction"
        new.write_text("a,b\n1,9\n")
        single = explain(run.path, str(new), about="yes", runs_dir=tmp_path).columns
        assert single is not None
        assert (single.importances[0].column, single.measure, single.examples) == ("b", "probability of yes", 1)
        path.unlink()
        with pytest.raises(DataError):
            explain(run.path, str(new), runs_dir=tmp_path)
        return
    several = list(found.examples)
    assert len(several) == 2
    for each in several:
        assert max(each.weights, key=lambda pair: pair[1])[0] in ("dull", "fine")
        assert [word for word, _ in each.weights][:3] == ["the", "film", "is"]
    with pytest.raises(UsageError, match="one of no, yes"):
        explain(run.path, str(path), about="perhaps", runs_dir=tmp_path)


@pytest.mark.tensorflow
def test_the_command_writes_pictures_and_reports_their_paths(tmp_path: Path) -> None:
    from dlrun.experiment import train as experiment

    config = tmp_path / "x.yaml"
    config.write_text(
        "dataset: {type: builtin, name: digits}\nmodel: {type: cnn, blocks: [{filters: 4}]}\n"
        "loss: sparse_categorical_crossentropy\ntraining: {steps: 5, report: false, tensorboard: false}\n"
    )
    run = experiment.train(config, runs_dir=tmp_path).folder
    np.save(tmp_path / "some.npy", np.zeros((3, 8, 8, 1), np.uint8))
    command = [sys.executable, "-m", "dlrun", "explain", str(run.path), "some.npy", "--limit", "2", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert [each["name"] for each in said] == ["row 0", "row 1"]
    assert all((tmp_path / each["picture"]).read_bytes().startswith(b"\x89PNG") for each in said)
