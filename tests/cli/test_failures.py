"""Errors of the operating system are one clear line in every command; only bugs keep their traceback."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dlrun.cli.app import app
from dlrun.cli.failures import system_error
from dlrun.errors import DataError

_BASE = "model: linear\nloss: mean_squared_error\n"


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without permission to enter; root, who may run the tests, can enter every folder."""
    folder = tmp_path / "locked"
    (folder / "run").mkdir(parents=True)
    (folder / "run" / "run.json").write_text("{}")
    (folder / "rows.csv").write_text("a,b\n1,2\n")
    (folder / "x.yaml").write_text("{}")

    def refusing(call: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*args: Any, **kwargs: Any) -> Any:
            path = args[0] if args else kwargs.get("path", ".")
            if isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(f"{folder}/"):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fsdecode(path))
            return call(*args, **kwargs)

        return asked

    for name in ("stat", "lstat", "open", "scandir", "listdir"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    monkeypatch.setattr("io.open", refusing(open))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("validate {}/x.yaml", 2),
        ("validate table.yaml", 3),
        ("validate pattern.yaml", 3),
        ("validate texts.yaml", 3),
        ("validate plugin.yaml", 2),
        ("data check table.yaml", 3),
        ("init new.yaml --data {}/rows.csv", 3),
        ("components --plugin {}/p.py", 2),
        ("runs show {}/run", 2),
        ("runs show run --runs-dir {}", 2),
        ("runs rm run --runs-dir {}", 2),
        ("report {}/run", 2),
        ("eval run --runs-dir {}", 2),
        ("resume {}/run", 2),
    ],
)
def test_a_folder_without_permission_is_one_clear_line(command: str, code: int, locked: Path) -> None:
    Path("table.yaml").write_text(f"dataset: {{type: table, path: {locked}/rows.csv, target: b}}\n{_BASE}")
    Path("pattern.yaml").write_text(f"dataset: {{type: table, path: '{locked}/*.csv', target: b}}\n{_BASE}")
    Path("texts.yaml").write_text(f"dataset: {{type: text, path: {locked}/run}}\n{_BASE}")
    Path("plugin.yaml").write_text(f"dataset: {{type: builtin, name: digits}}\nplugins: [{locked}/p.py]\n{_BASE}")
    result = CliRunner().invoke(app, command.format(locked).split())
    said = result.output.lower()
    assert "traceback" not in said
    assert "permission denied" in said or "no plugin file" in said
    assert (result.exit_code, type(result.exception)) == (code, SystemExit)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EACCES, "x", "/a/b"), "cannot use /a/b: permission denied"),
        (OSError(errno.ENOLCK, "No locks available"), "does not support locks"),
        (OSError(errno.EINVAL, "Invalid argument", "/a"), "cannot use /a: Invalid argument"),
        (MemoryError(), "memory"),
        (ImportError("libx.so: failed to map segment from shared object"), "memory"),
        (RuntimeError("can't start new thread"), "memory"),
        (UnicodeEncodeError("utf-8", "runs\udce9", 4, 5, "surrogates not allowed"), "runs\\udce9 is not UTF-8"),
    ],
)
def test_system_errors_are_reported_without_a_traceback(error: BaseException, said: str) -> None:
    told = system_error(error)
    assert told is not None
    assert said in told.what


def test_an_unreadable_file_is_a_data_error_in_data_commands() -> None:
    assert isinstance(system_error(PermissionError(errno.EACCES, "x", "/a"), reads_data_only=True), DataError)


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("x"), RuntimeError("x"), OSError("no number")])
def test_a_bug_keeps_its_traceback(error: BaseException) -> None:
    assert system_error(error) is None


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("fit x.yaml", "dlrun train CONFIG"),
        ("evaluate last", "dlrun eval RUN"),
        ("ls", "dlrun runs ls"),
        ("trian x.yaml", "'train'"),
        ("train x.yaml --epochs 3", "--set training.epochs=..."),
        ("train last", "dlrun resume last"),
        ("train abc --runs-dir folder", "dlrun reproduce abc"),
        ("train x", "x.yaml"),
        ("eval x.yaml", "is a config"),
        ("train x.yaml epochs=3", "--set training.epochs=3"),
        ("train x.yaml training.epochs=3", "--set training.epochs=3"),
        ("eval last rows.csv", "--data rows.csv"),
        ("init x.yaml rows.csv", "--data rows.csv"),
        ("predict x.csv last", "is a file"),
    ],
)
def test_a_nearly_right_command_suggests_the_right_one(
    command: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.yaml").write_text("")
    Path("x.csv").write_text("")
    Path("folder/abc").mkdir(parents=True)
    Path("folder/abc/run.json").write_text("{}")
    result = CliRunner().invoke(app, command.split(), terminal_width=200)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
