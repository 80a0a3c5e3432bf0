"""What `import dlrun` offers: one keyword API, typed and documented, which the commands call, too."""

import ast
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import dlrun
from dlrun.runs import RUNS_DIR
from dlrun.training.progress.events import silent

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "dlrun"
FUNCTIONS = (
    "bench",
    "calibrate",
    "ensemble",
    "evaluate",
    "explain",
    "export",
    "list_runs",
    "plan",
    "predict",
    "reproduce",
    "resume",
    "train",
    "train_final",
    "write_predictions",
)
COMMANDS = {
    "training/train.py": "train",
    "training/resume.py": "resume",
    "training/reproduce.py": "reproduce",
    "batch/ensemble.py": "ensemble",
    "evaluate.py": "evaluate",
    "calibrate.py": "calibrate",
    "predict.py": "predict",
    "explain.py": "explain",
    "export.py": "export",
    "bench.py": "bench",
    "spec/plan.py": "plan",
    "runs/ls.py": "list_runs",
}
WORK = (
    "experiment",
    "evaluation",
    "prediction.predict",
    "explanation.explain",
    "explanation.columns",
    "explanation.examples",
    "exporting",
    "benchmark",
)
"""Where the work of those commands is done: they reach it through `dlrun` alone."""
SHARED_DEFAULTS = {
    "overrides": (),
    "checkpoint": "final",
    "trust_plugins": False,
    "allow_changes": False,
    "runs_dir": RUNS_DIR,
    "listener": silent,
}
FIRST = {"predict": 2, "explain": 2, "export": 2, "write_predictions": 2}
"""How many arguments say what is worked on; all others are options."""


def typed_names() -> dict[str, str]:
    """Name by name, the module that type checkers see it in."""
    nodes = ast.walk(ast.parse((SOURCE / "__init__.py").read_text()))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module != "__future__"]
    return {
        alias.name: str(node.module)
        for node in imports
        for alias in node.names
        if str(node.module).startswith("dlrun.")
    }


def test_what_is_offered_is_what_type_checkers_see() -> None:
    assert sorted(dlrun.__all__) == list(dlrun.__all__) == sorted(typed_names())
    assert {name: f"dlrun.{module}" for name, module in dlrun._HOMES.items()} == typed_names()
    assert set(dlrun.__all__) <= set(dir(dlrun))
    with pytest.raises(AttributeError, match="no attribute 'fit'"):
        dlrun.fit  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", dlrun.__all__)
def test_every_name_is_there_under_its_own_name(name: str) -> None:
    found = getattr(dlrun, name)
    assert not inspect.ismodule(found)
    assert name in ("Event", "Listener") or found.__name__ == name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_options_are_given_by_keyword_and_mean_the_same_everywhere(name: str) -> None:
    parameters = list(inspect.signature(getattr(dlrun, name)).parameters.values())
    first = FIRST.get(name, 1)
    assert all(each.kind is each.POSITIONAL_OR_KEYWORD for each in parameters[:first])
    assert all(each.kind is each.KEYWORD_ONLY and each.default is not each.empty for each in parameters[first:])
    for each in parameters:
        if each.name in SHARED_DEFAULTS:
            assert each.default == SHARED_DEFAULTS[each.name], each.name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_option_and_error_is_documented(name: str) -> None:
    function = getattr(dlrun, name)
    text = inspect.getdoc(function) or ""
    for section in ("Args:", "Returns:", "Raises:"):
        assert f"\n{section}\n" in text, section
    arguments = text.split("\nArgs:\n")[1].split("\nReturns:\n")[0]
    documented = re.findall(r"^    (\w+): \S", arguments, re.MULTILINE)
    assert documented == list(inspect.signature(function).parameters)
    for error in re.findall(r"^    (\w+): ", text.split("\nRaises:\n")[1], re.MULTILINE):
        assert issubclass(getattr(dlrun, error), dlrun.DlrunError)


@pytest.mark.parametrize(("file", "name"), COMMANDS.items())
def test_a_command_calls_the_function_of_the_api_and_nothing_deeper(file: str, name: str) -> None:
    tree = ast.parse((SOURCE / "cli" / file).read_text())
    # Called, or given to the function that calls it with a display of its progress.
    calls = [part for node in ast.walk(tree) if isinstance(node, ast.Call) for part in (node.func, *node.args)]
    assert any(
        isinstance(call, ast.Attribute)
        and call.attr == name
        and isinstance(call.value, ast.Name)
        and call.value.id == "dlrun"
        for call in calls
    )
    for_types = {
        id(below)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for below in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and id(node) not in for_types:
            assert not any(node.module.startswith(f"dlrun.{each}") for each in WORK), node.module


def test_an_override_may_be_one_string() -> None:
    with pytest.raises(dlrun.SpecError, match="did you mean 'epochs'"):
        dlrun.plan(ROOT / "configs" / "digits_cnn.yaml", overrides="training.epoch=3")


def test_list_runs_gives_what_the_listing_prints(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        dlrun.RunFolder.create(tmp_path, name=name)
    command = [sys.executable, "-m", "dlrun", "runs", "ls", "--runs-dir", str(tmp_path), "--json", "--sort=-name"]
    command += ["--where", "name!=b"]
    printed: Any = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    found = dlrun.list_runs("name!=b", sort="-name", runs_dir=tmp_path)
    assert [run.name for run in found] == ["c", "a"]
    assert [json.loads(json.dumps(run.plain())) for run in found] == printed
    assert [run.name for run in dlrun.list_runs(sort="name", limit=1, runs_dir=tmp_path)] == ["a"]
    assert dlrun.list_runs(status="completed", runs_dir=tmp_path) == []


SCRIPT = """\
from pathlib import Path

import dlrun


def show(event: dlrun.Event) -> None:
    if isinstance(event, dlrun.EpochDone):
        print(event.epoch, event.row["loss"])


listener: dlrun.Listener = show
result = dlrun.train({"model": "linear"}, overrides=["seed=1"], runs_dir=Path("runs"), listener=show)
accuracy: float = result.scores["test"]["accuracy"]
run: str = result.folder.id
try:
    result = dlrun.resume(run, overrides="training.epochs=20", allow_changes=True)
except dlrun.Interrupted as error:
    print(error.hint)
scores = dlrun.evaluate(run, split="all", checkpoint="best")
loss: float = scores["test"].scores["loss"]
predictions: dlrun.Predictions = dlrun.predict(run, Path("new.csv"), top="all", keep=["id"])
rows: int = dlrun.write_predictions(predictions, "new.jsonl").rows
explanation = dlrun.explain(run, "new.csv", about="yes")
if explanation.columns is not None:
    names: list[str] = [each.column for each in explanation.columns.importances]
exported = dlrun.export(run, "tflite", quantize="float16", output="model.tflite", overwrite=True)
size: int = exported.bytes
same: bool = dlrun.reproduce(run).identical
fastest = dlrun.bench("config.yaml", batch_sizes=[32, 64]).winner
parameters: int = dlrun.plan("config.yaml").parameters
best: list[float | None] = [each.value("val_accuracy") for each in dlrun.list_runs("model.type=cnn", limit=3)]
"""
WRONG = """\
import dlrun

dlrun.train("config.yaml", override=["seed=1"])
dlrun.fit("config.yaml")
number: int = dlrun.resume("last").scores
"""


@pytest.mark.slow
def test_a_users_script_is_checked_by_the_types_of_dlrun(tmp_path: Path) -> None:
    """As an installed package is: without them, every name would be Any and the wrong script would pass, too."""
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "wrong.py").write_text(WRONG)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--cache-dir",
        str(tmp_path / "cache"),
        "script.py",
        "wrong.py",
    ]
    environment = {name: value for name, value in os.environ.items() if name != "MYPYPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert [line.partition(": error: ")[0] for line in lines] == ["wrong.py:3", "wrong.py:4", "wrong.py:5"], done.stdout


def test_the_package_says_that_it_is_typed() -> None:
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["dlrun"]
    assert "py.typed" in packaged
    assert (SOURCE / "py.typed").is_file()
