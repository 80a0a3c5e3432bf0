"""Child processes run no code of the current folder, and a library's output is not taken for their answer."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlrun.batching.backends.local import crew_started
from dlrun.benchmark.bench import MEASURE
from dlrun.benchmark.process import measured_by
from dlrun.experiment import report as reporting
from dlrun.exporting.child import run_child
from dlrun.launch import workers
from dlrun.signature import Target
from dlrun.system.interpreter import answer_pipe, python_command, python_environment
from dlrun.training.progress.events import Note
from dlrun.training.progress.timeline import Timeline
from run_folders import made

SOURCE = Path(__file__).parents[2] / "src" / "dlrun"
PLANTED = ("types", "dlrun", "matplotlib", "json", "numpy", "sitecustomize", "tensorflow")
PLANT = "import os\nos.close(os.open({mark!r}, os.O_CREAT | os.O_WRONLY))\nraise SystemExit('planted')\n"
PROBE = (
    "import json, numpy, types, dlrun.errors, importlib.util as u; u.find_spec('matplotlib'), u.find_spec('tensorflow')"
)


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, full of modules with familiar names, and the file that they would create."""
    folder, mark = tmp_path / "here", tmp_path / "mark"
    folder.mkdir()
    for name in PLANTED:
        (folder / f"{name}.py").write_text(PLANT.format(mark=str(mark)))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}{tmp_path / 'more'}")  # an empty entry is the current folder
    return mark


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Use a shell script instead of the Python that child processes are started with."""

    def put(script: str) -> None:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    return put


def drawn_beside() -> None:
    with reporting._drawing_process() as drawing:
        assert drawing is not None
        drawing.process.wait(30)


def batched() -> None:
    with crew_started() as crew:
        while crew._process.poll() is None:
            crew._process.wait(30)


def launched() -> None:
    with workers.start_workers(("train", "x.yaml"), workers=1, device="cpu") as (chief,):
        chief.process.wait(30)


STARTS: dict[str, Callable[[], object]] = {
    "report": drawn_beside,
    "bench": lambda: measured_by(MEASURE, Path("x.yaml"), overrides=()),
    "batch": batched,
    "launch": launched,
    "export": lambda: run_child(["-m", "dlrun.exporting.tflite.converter", "x"], folder=Path(), what="it"),
}


@pytest.mark.parametrize("start", STARTS)
def test_a_child_finds_no_module_in_the_current_folder(
    start: str, planted: Path, stub: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    # The same interpreter with the same options and environment, which only looks where its modules are.
    done = tmp_path / "done"
    stub(
        f'options=; for word; do case $word in -m|*.py) break;; *) options="$options $word";; esac; done\n'
        f'{sys.executable} $options -c "{PROBE}" && touch {done}'
    )
    STARTS[start]()
    assert done.exists()
    assert not planted.exists()


def test_no_other_module_starts_python(planted: Path) -> None:
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert "executable" not in names or path.name == "interpreter.py", path
        assert "multiprocessing" not in modules, path
    with pytest.raises(subprocess.CalledProcessError):  # without the option they are found
        subprocess.run([sys.executable, "-c", PROBE], check=True, capture_output=True)
    assert planted.exists()


def test_python_started_as_a_module_ignores_the_current_folder_too(planted: Path) -> None:
    for name in ("dlrun", "types", "json", "sitecustomize"):  # which Python itself imports before dlrun begins
        Path(f"{name}.py").unlink()
    code = (
        "import runpy, sys; sys.argv = ['dlrun', '--version']\n"
        "try: runpy.run_module('dlrun', run_name='__main__')\n"
        "except SystemExit: import matplotlib.figure"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""}, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not planted.exists()


def test_the_users_own_folders_stay_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "of_mine.py").write_text("print('mine')")
    monkeypatch.setenv("PYTHONPATH", "mine")
    command = python_command("-c", "import of_mine")
    done = subprocess.run(command, env=python_environment(), cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout == "mine\n"


def test_the_output_of_a_library_is_not_an_answer(
    stub: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    noise = "echo '{\"error\": \"printed\"'; echo '[1'; printf 'no end'"
    stub(f"""{noise}; echo '{{"error": "answered"}}' > /dev/fd/$4; {noise}""")
    assert measured_by(MEASURE, Path("x.yaml"), overrides=()) == {"error": "answered"}
    stub(f"{noise}; echo '\"answered\"' > /dev/fd/$4; {noise}")
    said: list[Any] = []
    folder = made(tmp_path / "runs", Target("classes", 3), None)
    with reporting.reporting(folder, said.append, wanted=True, timeline=Timeline()):
        pass
    assert said == [Note("report", "none: answered")]
    stub(f"{noise}; echo '{{\"number\": 1}}' > /dev/fd/$4; sleep 0.2")
    with crew_started() as crew:
        assert crew.messages(seconds=30) == [{"number": 1}]


@pytest.mark.parametrize("answer", ["", "{", "[1", "7"])
def test_a_child_without_a_valid_answer_is_a_one_line_error(
    answer: str, stub: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    stub(f"printf '{answer}' > /dev/fd/$4; echo oops >&2; exit 3")
    assert measured_by(MEASURE, Path("x.yaml"), overrides=()) == {"error": "ended with exit code 3: oops"}
    said: list[Any] = []
    folder = made(tmp_path / "runs", Target("classes", 3), None)
    with reporting.reporting(folder, said.append, wanted=True, timeline=Timeline()):
        pass
    assert said[0].text.startswith("none: drawing it ended with exit code 3; dlrun report")


def test_a_long_text_is_cut_so_that_no_child_blocks() -> None:
    with answer_pipe() as pipe:
        code = (
            f"from dlrun.system.interpreter import *; answer(taken_over({pipe.argument!r}), dict(error='x' * 1000000))"
        )
        subprocess.run(python_command("-c", code), pass_fds=pipe.inherited, check=True, timeout=30)
        assert set(pipe.read()["error"]) == {"x"}
