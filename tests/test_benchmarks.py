"""The commands behind `make bench`, at sizes that tell nothing about speed: they run, and every row is there."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.data import ArrayPreprocess
from dlrun.spec.parse import read_spec

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "tests" / "benchmarks" / "peers.py"
KEYS = {
    "epoch_seconds",
    "train_seconds",
    "score",
    "evaluate_seconds",
    "peak_rss_mib",
    "precision",
    "parameters",
    "jit",
    "process_seconds",
}
ALL_WORKS = ("mnist_cnn", "mnist_mlp", "sequence_lstm", "digits_cnn", "evaluate")
HAS_TORCH = bool(os.environ.get("DLRUN_BENCH_TORCH"))
ALL = {"dlrun", "naive_keras", "tuned_keras"} | ({"pytorch"} if HAS_TORCH else set())


def compare(folder: Path, *options: str, **environment: str) -> tuple[int, str, dict[str, dict[str, Any]]]:
    """Run the comparison with few examples; its exit code, its tables, and what each contestant measured."""
    small = ["--rounds", "1", "--epochs", "1", "--examples", "256"]
    files = ["--markdown", str(folder / "table.md"), "--json", str(folder / "measured.json")]
    done = subprocess.run(
        [sys.executable, str(PEERS), *small, *files, *options],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (folder / "table.md").exists(), done.stderr
    assert (folder / "table.md").read_text() == done.stdout
    return done.returncode, done.stdout, json.loads((folder / "measured.json").read_text())


def check_measured(measured: dict[str, Any], contestants: set[str]) -> None:
    assert set(measured) == contestants
    for runs in measured.values():
        assert len(runs) == 1
        assert set(runs[0]) >= KEYS
    # PyTorch's LSTM has two biases where Keras' has one.
    assert len({runs[0]["parameters"] for name, runs in measured.items() if name != "pytorch"}) == 1


@pytest.mark.parametrize("config", ["mnist_cnn", "mnist_mlp", "sequence_lstm", "digits_cnn"])
def test_the_works_are_those_of_the_configs(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PEERS.with_suffix("")))
    import works

    assert tuple(works.WORKS) == ALL_WORKS
    work, spec = works.WORKS[config], read_spec(ROOT / "configs" / f"{config}.yaml").spec
    assert (work.batch_size, work.epochs) == (spec.training.batch_size, spec.training.epochs)
    assert spec.training.evaluation_batch_size == works.EVALUATION_BATCH_SIZE
    assert (spec.optimizer.type_name, spec.optimizer.learning_rate) == ("adam", works.LEARNING_RATE)


def check_rows(tables: str, works: tuple[str, ...]) -> None:
    for work in works:
        assert sum(line.startswith(f"| {work}") for line in tables.splitlines()) == 2, tables


@pytest.mark.tensorflow
@pytest.mark.soak
def test_a_work_has_its_rows_and_one_without_its_data_says_so(tmp_path: Path) -> None:
    works = ("digits_cnn", "evaluate")
    code, tables, measured = compare(tmp_path, "--works", ",".join(works), TFDS_DATA_DIR=str(tmp_path))
    check_rows(tables, works)
    check_measured(measured["digits_cnn"], {"dlrun", "naive_keras"})
    assert code == 1
    assert f"- failed: evaluate: TFDS_DATA_DIR is {tmp_path}, which holds no MNIST" in tables
    assert tables.count("- failed: ") == 1, tables
    assert HAS_TORCH or "not installed: python -m venv" in tables


# Three contestants for each of five works, MNIST among them: what makes and prints a row is in the test above.
@pytest.mark.soak
@pytest.mark.tensorflow
def test_every_work_is_measured(tmp_path: Path, shared_data: Path) -> None:
    code, tables, measured = compare(tmp_path, TFDS_DATA_DIR=str(shared_data / "tensorflow_datasets"))
    check_rows(tables, ALL_WORKS)
    assert code == 0, tables
    for work in ALL_WORKS:
        check_measured(measured[work], {"dlrun", "naive_keras"} if work == "digits_cnn" else ALL)


@pytest.mark.tensorflow
@pytest.mark.slow
def test_an_evaluation_by_dlrun_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(PEERS.with_suffix("")))
    from contest import Heat
    from works import WORKS

    heat = Heat("digits_cnn", WORKS["digits_cnn"], tmp_path, tmp_path, (), epochs=0, examples=None, torch=None)
    measured = heat.run("dlrun")
    assert set(measured) >= KEYS
    assert 0 < measured["evaluate_seconds"] < measured["process_seconds"]


@pytest.mark.soak
def test_mnist_is_cut_to_the_first_examples_for_everyone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared_data: Path
) -> None:
    monkeypatch.syspath_prepend(str(PEERS.with_suffix("")))
    monkeypatch.setenv("TFDS_DATA_DIR", str(shared_data / "tensorflow_datasets"))
    from arrays import write_arrays
    from works import WORKS, Arguments

    (override,) = write_arrays(WORKS["mnist_mlp"], tmp_path, examples=300)
    ours = read_spec(ROOT / "configs" / "mnist_mlp.yaml", (override,)).spec.dataset.load()
    for name in ("train", "test"):
        x, y = Arguments(WORKS["mnist_mlp"], tmp_path, epochs=1, examples=300).load(name)
        assert x.shape == (300, 28, 28, 1)
        assert np.array_equal(x, ours.splits[name].features * np.float32(1) / np.float32(255))
        assert np.array_equal(y, np.asarray(ours.splits[name].target))
    assert isinstance(ours.preprocess, ArrayPreprocess)
    assert ours.preprocess.scale == pytest.approx(1 / 255)


def test_a_contestant_that_fails_tells_its_last_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(PEERS.with_suffix("")))
    from contest import ContestantFailedError, Heat
    from works import WORKS

    no_torch = tmp_path / "python"
    no_torch.write_text("#!/bin/sh\necho at the start >&2\necho at the end >&2\nexit 3\n")
    no_torch.chmod(0o755)
    heat = Heat("mnist_mlp", WORKS["mnist_mlp"], tmp_path, tmp_path, (), epochs=1, examples=None, torch=str(no_torch))
    with pytest.raises(ContestantFailedError, match=r"^exit code 3: at the end$"):
        heat.run("pytorch")
