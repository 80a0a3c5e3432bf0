"""`dlrun bench` prints a row for each way to train, and the options that select the fastest."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dlrun.benchmark import bench as benching
from dlrun.benchmark.bench import Benchmark, Candidate
from dlrun.cli.app import app
from dlrun.cli.bench import _show

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


def test_every_precision_is_measured_with_and_without_xla_and_the_fastest_is_selected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    speeds = {("float32", "off"): 4.0, ("float32", "on"): 3.0, ("bfloat16", "off"): 1.0, ("bfloat16", "on"): 2.0}

    def measured(_module: str, _config: Path, *, overrides: tuple[str, ...], trust_plugins: bool) -> dict[str, Any]:
        assert not trust_plugins
        said = dict(override.removeprefix("training.").split("=") for override in overrides)
        seconds = speeds[said["precision"], said["jit"]]
        return {"device": "cpu", "seconds_per_step": seconds, "compile_seconds": 1.0, "peak_bytes": 1 << 21}

    monkeypatch.setattr(benching, "measured_by", measured)
    (tmp_path / "x.yaml").write_text(TEXT)
    app(["bench", str(tmp_path / "x.yaml"), "--json", "--set", "training.device=cpu"], standalone_mode=False)
    said = json.loads(capsys.readouterr().out)
    assert [(row["precision"], row["jit"]) for row in said["candidates"]] == list(speeds)
    assert said["winner"] == said["candidates"][2]
    assert said["set"] == ["training.precision=bfloat16", "training.jit=off"]


@pytest.mark.tensorflow
@pytest.mark.soak
def test_a_process_of_its_own_measures_each_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benching, "_PRECISIONS", ("bfloat16",))
    (tmp_path / "x.yaml").write_text(TEXT)
    found = benching.bench(tmp_path / "x.yaml", overrides=("training.device=cpu",))
    assert found.device.startswith("cpu")
    assert [(row.precision, row.jit) for row in found.candidates] == [("bfloat16", "off"), ("bfloat16", "on")]
    assert found.winner == max(found.candidates, key=lambda row: row.examples_per_second or 0)
    assert all((row.peak_bytes or 0) > 2**20 and (row.compile_seconds or 0) > 0 for row in found.candidates)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--batch-sizes", "32,x"), "'32,x' is not a list of whole numbers"),
        (("--batch-sizes", "0"), "a batch of 0 examples"),
        (("--set", "training.jit=on"), "which bench compares"),
        (("--set", "training.batch=3"), "batch_size"),
    ],
)
def test_what_cannot_be_measured_is_reported_before_anything_starts(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = bench(tmp_path, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_narrow_terminal_still_shows_the_speed_and_every_error_in_full(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dlrun.cli.display.console.output_width", lambda: width)
    done = Candidate(128, "bfloat16", "off", 123_456.7, 1e-3, 12.34, 1 << 33)
    failed = Candidate(128, "bfloat16", "on", error="ended with exit code 1: " + "out of memory " * 9)
    _show(Benchmark("gpu:0", 128, (done, failed), done))
    out = capsys.readouterr().out
    table = out.partition("batch 128, bfloat16, jit on: ended")[0].splitlines()
    assert max(map(len, table)) <= width
    assert "123,457" in table[1]
    assert ("compile s" in table[0], "ms/step" in table[0]) == (width > 60, width > 60)
    assert failed.error.strip() in out


def test_another_batch_size_is_part_of_the_selection_only_if_it_wins() -> None:
    small, large = (Candidate(size, "float32", "on", examples_per_second=float(size)) for size in (32, 64))
    assert Benchmark("cpu", 64, (small, large), large).selection() == ("training.precision=float32", "training.jit=on")
    assert Benchmark("cpu", 32, (small, large), large).selection()[-1] == "training.batch_size=64"
    assert Benchmark("cpu", 32, (), None).selection() == ()
