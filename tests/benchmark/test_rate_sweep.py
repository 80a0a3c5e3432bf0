"""The range test on the real step, and that a run is what it is without the measurement."""

from pathlib import Path

import pytest

import dlrun
from dlrun.benchmark.learning_rate import find_learning_rate
from dlrun.benchmark.valley import STEPS
from dlrun.errors import DataError, UsageError
from dlrun.runs.folder import RunFolder
from dlrun.spec.parse import read_spec

pytestmark = pytest.mark.tensorflow

TEXT = """\
name: x
dataset: {type: builtin, name: digits, validation: 0.5, test: 0.2}
model: {type: mlp, units: [16], dropout: 0.2}
optimizer: {type: adam, learning_rate: auto}
loss: sparse_categorical_crossentropy
training: {batch_size: 64, epochs: 1, jit: "off", precision: float32, report: false, tensorboard: false}
"""


def trained(folder: Path, *overrides: str) -> RunFolder:
    result = dlrun.train(folder / "x.yaml", overrides=overrides, runs_dir=folder / "runs")
    return result.folder


@pytest.mark.slow
def test_a_run_with_auto_is_the_run_with_the_number_that_was_found(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(TEXT)
    run = trained(tmp_path)
    record = run.read_record()
    assert record.config is not None
    choice = record.config.measured["optimizer.learning_rate"]
    spec = read_spec(run.spec_yaml).spec
    assert f"{spec.optimizer.learning_rate:g}" == choice.value
    assert "seeds" in choice.reason or "default" in choice.reason
    again = trained(tmp_path, f"optimizer.learning_rate={choice.value}")
    assert again.read_record().weights_sha256 == record.weights_sha256


@pytest.mark.slow
@pytest.mark.soak
def test_a_run_with_a_batch_size_that_was_found_is_the_run_with_that_number(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(TEXT)
    run = trained(tmp_path, "training.batch_size=auto", "optimizer.learning_rate=0.01")
    record = run.read_record()
    assert record.config is not None
    found = {key: choice.value for key, choice in record.config.measured.items()}
    numbers = {"optimizer.learning_rate": "0.01"} | found
    again = trained(tmp_path, *(f"{key}={value}" for key, value in numbers.items()))
    assert "training.batch_size" in found
    assert again.read_record().weights_sha256 == record.weights_sha256


@pytest.mark.slow
@pytest.mark.soak
def test_the_losses_are_those_of_the_steps_of_a_training_and_no_file_is_left(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(TEXT)
    found = find_learning_rate(tmp_path / "x.yaml", seeds=2)
    assert [test.seed for test in found.tests] == [0, 1]
    for test in found.tests:
        assert len(test.losses) <= STEPS
        assert test.losses[0] == pytest.approx(2.4, abs=0.3)  # near log(10), with weights as they began
        assert min(test.losses) < 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.yaml"]
    with pytest.raises(DataError):
        find_learning_rate(tmp_path / "x.yaml", overrides=("dataset={type: table, path: no.csv, target: y}",))


def test_no_seeds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(TEXT)
    with pytest.raises(UsageError, match="at least 1"):
        find_learning_rate(tmp_path / "x.yaml", seeds=0)
