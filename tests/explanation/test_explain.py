"""Explanations find the decisive pixel, word or column of constructed data."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dlrun.errors import DataError, UsageError

CONFIGS = {
    "texts": "dataset: {type: text, path: %s, test: 0.2}\nmodel: {type: linear}\nloss: binary_crossentropy\n",
    "rows": "dataset: {type: table, path: %s, target: y, test: 40}\nmodel: {type: linear}\nloss: binary_crossentropy\n",
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
        of_split = explain(run.path, runs_dir=tmp_path).columns
        assert of_split is not None
        assert (of_split.split, of_split.importances[0].column) == ("test", "b")
        low, high = of_split.importances[0].low, of_split.importances[0].high
        assert low is not None
        assert high is not None
        assert low < of_split.importances[0].mean < high
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
    with pytest.raises(UsageError, match="needs an INPUT to explain"):
        explain(run.path, runs_dir=tmp_path)
    several = list(found.examples)
    assert len(several) == 2
    for each in several:
        assert max(each.weights, key=lambda pair: pair[1])[0] in ("dull", "fine")
        assert [word for word, _ in each.weights][:3] == ["the", "film", "is"]
    with pytest.raises(UsageError, match="one of no, yes"):
        explain(run.path, str(path), about="perhaps", runs_dir=tmp_path)


@pytest.mark.tensorflow
def test_the_columns_that_an_autoencoder_cannot_reconstruct_are_found(tmp_path: Path) -> None:
    from dlrun.experiment import train as experiment
    from dlrun.explanation.explain import explain

    path, config = tmp_path / "x.csv", tmp_path / "x.yaml"
    generator = np.random.default_rng(0)
    lines = [f"{a},{2 * a},{-a},{'up' if a > 0 else 'down'}" for a in generator.normal(size=300)]
    path.write_text("a,b,c,sign\n" + "\n".join(lines) + "\n")
    config.write_text(
        f"dataset: {{type: table, path: {path}, test: 0.1}}\n"
        "model: {type: autoencoder, encoder: dense, latent_units: 2}\nloss: mean_squared_error\n"
        "optimizer: {type: adam, learning_rate: 0.02}\n"
        "training: {epochs: 20, batch_size: 30, report: false, tensorboard: false}\n"
    )
    run = experiment.train(config, runs_dir=tmp_path).folder
    new = tmp_path / "new.csv"
    for row, column in (("0.5,1.0,9.0,up", "c"), ("0.5,-12.0,-0.5,up", "b")):
        new.write_text(f"a,b,c,sign\n{row}\n")
        found = explain(run.path, str(new), runs_dir=tmp_path).columns
        assert found is not None
        assert found.importances[0].column == column
        assert {each.column for each in found.importances} == {"a", "b", "c", "sign"}
        assert (found.method, found.examples) == ("reconstruction", 1)
        assert found.importances[0].mean > 3 * abs(found.importances[1].mean)
    several = explain(run.path, str(path), runs_dir=tmp_path).columns
    assert several is not None
    assert several.examples == 300
    assert max(each.mean for each in several.importances) < 0  # the values of these rows fit each other


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
