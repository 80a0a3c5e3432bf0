"""Every command over every hostile run folder: an answer or one clear error, and no traceback, wait or gulp of memory.

The commands are read from the app. Those that need TensorFlow stop where they would start it: what a folder holds has
been read by then. What they believe of a checkpoint is in test_foreign_checkpoints.py.
"""

import json
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import typer

import dlrun
from dlrun.cli.app import app
from dlrun.data.array_input import ArrayInput
from dlrun.data.interface import Interface
from dlrun.data.preprocess import ArrayPreprocess
from dlrun.errors import RunError
from dlrun.runs.folder import RunFolder
from dlrun.runs.predictions import StoredPredictions, write_predictions
from dlrun.signature import Features, Target
from run_folders import predictions

COMMAND = typer.main.get_command(app)
"""Made once: for every call anew it would cost more than what most commands do."""
OPTIONS = {
    "predict": ["wine.npy"],
    "explain": ["wine.npy"],
    "export": ["--to", "keras"],
    "resume": ["--set", "training.epochs=9"],
    "runs compare": ["runs/other", "--plot", "-"],
    "runs tag": ["x"],
    "runs gc": ["--yes"],
    "runs rm": ["--yes"],
}
"""What a command needs besides the run."""
MORE = (
    ["report", "runs/R", "runs/other"],
    ["eval", "runs/R", "--data", "wine.npy"],
    ["runs", "show", "runs/R", "--csv"],
    ["runs", "tail", "runs/R", "--log"],
)
LAST = "runs rm"


def commands() -> list[list[str]]:
    """Every command that takes a run, or the folder of runs, with what it needs; the one that removes it is last."""
    found: list[list[str]] = []

    def walk(command: Any, name: list[str]) -> None:
        for part, below in getattr(command, "commands", {}).items():
            walk(below, [*name, part])
        taken = {each.name for each in command.params}
        if {"run", "runs"} & taken:
            found.append([*name, "runs/R", *OPTIONS.get(" ".join(name), [])])
        elif "runs_dir" in taken and not {"config", "configs"} & taken:
            found.append([*name, *OPTIONS.get(" ".join(name), [])])

    walk(COMMAND, [])
    found += map(list, MORE)
    return sorted(found, key=lambda command: " ".join(command[:2]) == LAST)


def text(name: str, content: str | bytes) -> Callable[[Path], None]:
    def write(run: Path) -> None:
        (run / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def record(**changes: Any) -> Callable[[Path], None]:
    return partial(_edit, "run.json", changes)


def target(**changes: Any) -> Callable[[Path], None]:
    return partial(_edit, "interface.json", {"target": changes})


def rows(*of_file: dict[str, Any]) -> Callable[[Path], None]:
    return text("metrics.jsonl", "".join(json.dumps(row) + "\n" for row in of_file))


def arrays(**changes: Any) -> Callable[[Path], None]:
    kept = {each.name: np.asarray(getattr(predictions(), each.name)) for each in fields(StoredPredictions)}
    return lambda run: np.savez(run / "evaluation" / "test.npz", **{**kept, **changes})


def values(value: float) -> Callable[[Path], None]:
    """Predictions of one value that arithmetic trips over."""

    def make(run: Path) -> None:
        arrays(outputs=np.full((40, 1), value), target=np.full(40, -value), naive=np.full((40, 1), value))(run)
        target(kind="values", size=1, class_names=[], encoding="value")(run)

    return make


def instead(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(run: Path) -> None:
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        make(path)

    return replace


def _edit(name: str, changes: dict[str, Any], run: Path) -> None:
    content = json.loads((run / name).read_text())
    for key, value in changes.items():
        content[key] = {**content[key], **value} if isinstance(value, dict) and key in content else value
    (run / name).write_text(json.dumps(content))


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # its whole path may be longer than one of a socket can be
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(path.name)
    os.chdir(here)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


DEEP = '{"a":' * 5000
FOLDERS: dict[str, Callable[[Path], None]] = {
    "as a run leaves it": lambda _: None,
    "a record with numbers of 4,000 digits": record(resumed=10**4000, model={"type": "x", "parameters": 10**4000}),
    "a record with infinite times": record(seconds=1e308, throughput=float("inf"), time={"train": float("nan")}),
    "a record with half a character": text("run.json", '{"id": "a", "name": "\\ud800"}'),
    "a record of 100,000 scores": record(result={"test": {f"m{number}": 1.0 for number in range(100_000)}}),
    "a record of many phases": record(time={f"phase {number}": 1.0 for number in range(3000)}),
    "rows without an epoch": rows({"loss": 1}, {"loss": 2}, {"loss": 3}),
    "rows that are no numbers": rows({"epoch": float("nan"), "loss": float("inf"), "learning_rate": -1e308}, {}),
    "rows with huge numbers": rows({"epoch": 2**62, "loss": 1e308}, {"epoch": -(2**62), "loss": -1e308}, {"epoch": 3}),
    "rows with odd names": rows({"epoch": 1, "../../x": 1, "\ud800": 2, "a\0": 3, "": 4, "x" * 9999: 5, "$x$": 6}),
    "3,000 scores": rows(*({"epoch": epoch, **{f"val_{n}": 1.0 for n in range(3000)}} for epoch in (1, 2))),
    "a line of 500,000 keys": text("metrics.jsonl", json.dumps({str(key): 1 for key in range(500_000)}) + "\n{}\n"),
    "a log of one line": text("log.txt", b"x" * (1 << 23)),
    "a target of no size": target(size=0, class_names=[]),
    "a target of a billion": target(size=10**9, class_names=[]),
    "a target of many classes": target(size=1_000_000, class_names=[]),
    "columns that are none": target(kind="class_columns", class_counts=[-1, 4], names=["a", "b"]),
    "a mean of nothing": target(kind="values", size=2, class_names=[], mean=[], scale=[1.0]),
    "an interface that is nested deeply": text("interface.json", DEEP),
    "features without values": partial(_edit, "interface.json", {"features": {"shape": [0]}}),
    "features of a terabyte": partial(_edit, "interface.json", {"features": {"shape": [1 << 40]}}),
    "raw input of a terabyte": partial(_edit, "interface.json", {"raw": {"shape": [1 << 40]}}),
    "raw input of 4,000 digits": partial(_edit, "interface.json", {"raw": {"shape": [10**4000]}}),
    "raw input of another shape": partial(_edit, "interface.json", {"raw": {"shape": [1 << 30]}}),
    "predictions of another shape": arrays(outputs=np.zeros((40, 7), np.float32)),
    "predictions that are objects": arrays(texts=np.array([None, "x"], object)),
    "predictions without a number": arrays(outputs=np.full((40, 3), np.nan, np.float32)),
    "values of 1e308": values(1e308),
    "pictures without pixels": arrays(pictures=np.zeros((2, 0, 0, 1), np.uint8)),
    "texts with half a character": arrays(texts=np.array(["\ud800", "<b>"])),
    "a spec with half a character": text("spec.yaml", 'name: "\\ud800"\n'),
    "a spec with a number of 4,000 digits": text("spec.yaml", f"seed: {'9' * 4000}\n"),
    "a pipe": instead("interface.json", os.mkfifo),
    "a socket": instead("evaluation/test.npz", _socket),
    "a link to a folder": instead("evaluation", lambda path: path.symlink_to("/tmp")),
    "a link to itself": instead("metrics.jsonl", lambda path: path.symlink_to(path.name)),
    "a folder for a file": instead("interface.json", Path.mkdir),
    "a terabyte": instead("interface.json", _sparse),
    "no file": instead("metrics.jsonl", lambda _: None),
}


@pytest.fixture(scope="module")
def complete(written_elsewhere: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stranger's run with everything that a command may read."""
    folder = RunFolder(shutil.copytree(written_elsewhere, tmp_path_factory.mktemp("complete") / "R"))
    classes = Target("classes", 3, ("a", "b", "c"))
    interface = Interface("wine", ArrayInput((13,)), ArrayPreprocess((13,)), Features("vector", (13,)), classes)
    folder.write_json(folder.interface_json, interface.plain())
    write_predictions(folder, "test", predictions())
    folder.update_record(files_sha256={}, model={"type": "mlp", "parameters": 7})
    return folder.path


@pytest.fixture
def _no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    def reached() -> None:
        raise RunError("TensorFlow would start here")

    source = Path(dlrun.__file__).parent
    for path in source.rglob("*.py"):
        if "\nfrom dlrun.system.tensorflow_start import start_tensorflow\n" in path.read_text():
            # Imported now: a module that a command imports later would keep what it finds.
            module = import_module(".".join(("dlrun", *path.relative_to(source).with_suffix("").parts)))
            monkeypatch.setattr(module, "start_tensorflow", reached)
    monkeypatch.setattr("dlrun.report.drawing._forms", _drawn_on_nothing)


def _drawn_on_nothing(draw: Callable[[Any], None], _size: object) -> tuple[str, bytes]:
    draw(MagicMock())  # what pixels cost is paid in test_report.py
    return "", b""


@pytest.fixture
def runs_dir(complete: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("R", "other"):
        shutil.copytree(complete, tmp_path / "runs" / name)
    np.save(tmp_path / "wine.npy", np.zeros((5, 13), np.float32))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def test_the_commands_are_those_of_the_app() -> None:
    names = {command[0] if command[0] != "runs" else " ".join(command[:2]) for command in commands()}
    assert names >= {"resume", "eval", "predict", "export", "explain", "reproduce", "report"}
    assert names >= {f"runs {name}" for name in ("ls", "show", "compare", "tail", "tag", "rm", "gc")}


@pytest.mark.usefixtures("_no_tensorflow")
@pytest.mark.parametrize("kind", FOLDERS)
def test_every_command_answers_or_says_one_clear_error(
    kind: str, runs_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    FOLDERS[kind](runs_dir / "R")
    before = sorted(runs_dir.parent.iterdir())
    for command in commands():
        with pytest.raises(SystemExit) as ended:  # anything else is a bug, with its traceback
            COMMAND(command)
        assert ended.value.code in (None, 0, 1, 2, 3), command
        said = capsys.readouterr().err
        assert "\x1b" not in said
        assert len(said) < 10_000, command
        assert sorted(path for path in runs_dir.parent.iterdir() if path.name != "report.html") == before, command
