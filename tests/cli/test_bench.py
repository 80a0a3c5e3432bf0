"""`dlrun bench`: a row for each way to train, and the line that selects the fastest."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dlrun.benching import Bench, Candidate

TEXT = """\
dataset: {type: builtin, name: digits}
model: {type: linear}
loss: sparse_categorical_crossentropy
training: {batch_size: 64}
"""


def bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "x.yaml").write_text(TEXT)
    command = (sys.executable, "-m", "dlrun", "bench", "x.yaml", *arguments)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.tensorflow
@pytest.mark.slow
def test_every_precision_is_measured_with_and_without_xla(tmp_path: Path) -> None:
    done = bench(tmp_path, "--json", "--set", "training.device=cpu")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    rows = said["candidates"]
    assert [(row["precision"], row["jit"]) for row in rows] == [
        ("float32", "off"),
        ("float32", "on"),
        ("bfloat16", "off"),
        ("bfloat16", "on"),
    ]
    fastest = max(rows, key=lambda row: row["examples_per_second"])
    assert said["winner"] == fastest
    assert said["set"] == [f"training.precision={fastest['precision']}", f"training.jit={fastest['jit']}"]
    assert all(row["peak_bytes"] > 2**20 and row["compile_seconds"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--batch-sizes", "32,x"), "'32,x' is no list of numbers"),
        (("--batch-sizes", "0"), "a batch of 0 examples"),
        (("--set", "training.jit=on"), "which bench compares"),
        (("--set", "training.batch=3"), "batch_size"),
    ],
)
def test_what_cannot_be_measured_is_told_before_anything_starts(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = bench(tmp_path, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_another_batch_size_is_part_of_the_selection_only_if_it_wins() -> None:
    small, large = (Candidate(size, "float32", "on", examples_per_second=float(size)) for size in (32, 64))
    assert Bench("cpu", 64, (small, large), large).selection() == ("training.precision=float32", "training.jit=on")
    assert Bench("cpu", 32, (small, large), large).selection()[-1] == "training.batch_size=64"
    assert Bench("cpu", 32, (), None).selection() == ()
