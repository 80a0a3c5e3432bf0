"""What every command does: help, the version, messages and exit codes."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from command_line import CONFIG, started
from dlrun.cli.app import app

GROUPS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
EVERY_COMMAND = [
    *GROUPS,
    *(f"{name} {below}" for name, group in GROUPS.items() for below in getattr(group, "commands", {})),
]


def test_help_lists_every_command_and_imports_nothing_heavy() -> None:
    code = """if True:
        import sys
        from dlrun.cli.app import app
        try:
            app(["--help"])
        except SystemExit:
            print([name for name in ("tensorflow", "keras", "numpy", "pydantic", "yaml") if name in sys.modules])"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {name for name in GROUPS if re.search(rf"^  {name} ", done.stdout, re.MULTILINE)} == GROUPS.keys()
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_every_command_has_help(command: str, dlrun: Any) -> None:
    done = dlrun(*command.split(), "--help")
    assert done.code == 0
    assert "Usage: " in done.out


def test_the_version_is_printed() -> None:
    assert started("--version").stdout == f"dlrun {importlib.metadata.version('dlrun')}\n"


def test_the_problems_of_a_spec_go_to_stderr_with_exit_code_2(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("dataset: {type: builtin, name: digits}\nmodel: {type: mlp, unit: [3]}\nloss: mse\n")
    for command in ("validate", "train", "plan"):
        done = started(command, path, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{path}:2:20: unknown key 'unit' in model" in done.stderr
        assert "did you mean 'units'?" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "Did you mean 'train'?"),
        (["train"], "CONFIG or --resume RUN"),
        (["train", "none.yaml"], "dlrun init"),
        (["eval", "last"], "no runs"),
        (["eval", "last", "--split", "test", "--data", "x.npz"], "one of them"),
        (["predict", "last", "x.npy"], "no runs"),
        (["predict", "last", "x.npy", "--top", "none"], "nor all"),
        (["predict", "last", "x.npy", "--output", "no/where.csv"], "mkdir -p no"),
        (["runs", "show", "abc"], "no runs"),
        (["components", "adma"], "did you mean 'adam'?"),
        (["init", "--starter", "nn"], "cnn"),
        (["validate", str(CONFIG), "--set", "training.epochs"], "key=value"),
    ],
)
def test_a_wrong_command_line_is_one_clear_message_and_exit_code_2(
    tmp_path: Path, arguments: list[str], said: str, dlrun: Any
) -> None:
    done = dlrun(*arguments, cwd=tmp_path)
    assert done.code == 2, done.err
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.tensorflow
def test_missing_data_is_exit_code_3_and_makes_no_run_folder(tmp_path: Path, dlrun: Any) -> None:
    (tmp_path / "x.yaml").write_text(
        "dataset: {type: arrays, path: none.npz}\nmodel: linear\nloss: sparse_categorical_crossentropy\n"
    )
    (tmp_path / "nine.npz").write_bytes(b"")
    for command in ("train", "validate", "plan"):
        done = dlrun(command, "x.yaml", cwd=tmp_path)
        assert done.code == 3
        assert "did you mean nine.npz?" in done.err
        assert "Traceback" not in done.err
    assert not (tmp_path / "runs").exists()
