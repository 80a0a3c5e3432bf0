"""`dlrun find`: what it prints in 80 columns, what it writes into a config, and what it leaves alone."""

import json
from pathlib import Path
from typing import Any

import pytest

import dlrun.benchmark.batch_size as sizes
import dlrun.benchmark.learning_rate as finding
from dlrun.benchmark.valley import rates
from dlrun.cli.app import app
from dlrun.errors import DataError

TEXT = """\
# the first line
dataset: {type: builtin, name: digits}
model: {type: mlp, units: [8]}   # small
optimizer: adam   # the usual one
loss: sparse_categorical_crossentropy
training:
  batch_size: 32   # as before
"""


def losses(low: float = 1e-3, high: float = 1e-1) -> list[float]:
    return [2.0 if rate < low else 1.0 if rate < high else 9.0 for rate in rates()]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a config in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    Path("x.yaml").write_text(TEXT)
    return Path("x.yaml")


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the processes that measure answer, by module and batch size."""
    answers: dict[str, Any] = {"tests": [{"seed": seed, "losses": losses()} for seed in range(3)]}

    def swept(_module: str, _config: Any, **_: Any) -> dict[str, Any]:
        return answers

    def timed(_module: str, _config: Any, *, overrides: tuple[str, ...], **_: Any) -> dict[str, Any]:
        size = int(overrides[-1].partition("=")[2])
        return {"seconds_per_step": max(size, 128) * 1e-5, "peak_bytes": 2**20 * size}

    monkeypatch.setattr(finding, "measured_by", swept)
    monkeypatch.setattr(sizes, "measured_by", timed)
    return answers


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> pytest.CaptureFixture[str]:
    """Return what is captured from a terminal of 80 columns."""
    monkeypatch.setattr("dlrun.cli.display.terminal.width_of", lambda _: 80)
    return capsys


def find(*arguments: str) -> None:
    app(["find", *arguments], standalone_mode=False)


def test_a_learning_rate_is_drawn_and_written_without_a_change_to_the_rest(
    config: Path, answers: dict[str, Any], terminal: pytest.CaptureFixture[str]
) -> None:
    find("learning-rate", "x.yaml", "--write")
    assert answers
    out = terminal.readouterr().out
    assert [line for line in out.splitlines() if len(line) > 80] == []
    assert "seeds:" in out
    assert Path("x-learning-rate.png").read_bytes().startswith(b"\x89PNG")
    changed = config.read_text()
    assert "optimizer: {type: adam, learning_rate: 0.0" in changed
    assert "# the usual one" in changed
    assert [line for line in changed.splitlines() if "optimizer" not in line] == [
        line for line in TEXT.splitlines() if "optimizer" not in line
    ]


def test_without_a_clear_valley_the_config_stays_as_it_is(
    config: Path, answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers["tests"] = [{"seed": seed, "losses": [2.0] * 50} for seed in range(3)]
    find("learning-rate", "x.yaml", "--write")
    said = capsys.readouterr()
    assert "suggestion none: no clear valley" in said.out
    assert "x.yaml stays as it is" in said.err
    assert config.read_text() == TEXT


def test_a_batch_size_brings_its_learning_rate(
    config: Path, answers: dict[str, Any], terminal: pytest.CaptureFixture[str]
) -> None:
    assert answers
    find("batch-size", "x.yaml")
    out = terminal.readouterr().out
    assert [line for line in out.splitlines() if len(line) > 80 and not line.startswith("use it")] == []
    assert "--set training.batch_size=128 --set optimizer.learning_rate=0.002" in out
    assert config.read_text() == TEXT
    find("batch-size", "x.yaml", "--write")
    assert "batch_size: 128   # as before" in config.read_text()


def test_a_batch_that_is_larger_than_the_training_split_ends_the_measurement_and_not_the_command(
    config: Path, answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    timed: Any = vars(sizes)["measured_by"]

    def few(module: str, given: Any, *, overrides: tuple[str, ...], **more: Any) -> dict[str, Any]:
        if int(overrides[-1].partition("=")[2]) > 64:
            raise DataError("digits has 70 training examples, but a batch takes 128")
        answer: dict[str, Any] = timed(module, given, overrides=overrides, **more)
        return answer

    assert answers
    assert config.exists()
    monkeypatch.setattr(sizes, "measured_by", few)
    find("batch-size", "x.yaml", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["batch_size"] == 64
    assert "70 training examples" in found["measured"][-1]["error"]


def test_json_is_all_that_is_printed(config: Path, answers: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert config.exists()
    assert answers
    find("learning-rate", "x.yaml", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["set"] == [f"optimizer.learning_rate={found['rate']:g}"]
    find("batch-size", "x.yaml", "--json")
    assert json.loads(capsys.readouterr().out)["batch_size"] == 128


def test_a_picture_of_an_unknown_kind_is_refused_before_anything_is_measured(config: Path) -> None:
    assert config.exists()
    with pytest.raises(SystemExit, match="2"):
        find("learning-rate", "x.yaml", "--plot", "x.doc")
