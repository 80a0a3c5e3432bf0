"""What a stranger's run says of itself reaches a terminal as text and as nothing else."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlrun.cli.app import app
from dlrun.cli.display.printable import printable, printable_cell

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\r\n\x00\x08" + "\ud800"
ESCAPES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def dlrun(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "dlrun", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False, cwd=cwd, timeout=60)
    assert b"Traceback" not in done.stderr
    return done


def code_of(*arguments: object) -> int:
    """The exit code of a command in this process; anything that is not one of dlrun's errors is raised."""
    with pytest.raises(SystemExit) as ended:
        app([*map(str, arguments)])
    return int(ended.value.code or 0)


def assert_harmless(done: subprocess.CompletedProcess[bytes]) -> None:
    for stream in (done.stdout, done.stderr):
        assert not ESCAPES.search(stream.decode())


def edit(run: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    record = json.loads((run / "run.json").read_text())
    change(record)
    (run / "run.json").write_text(json.dumps(record))


def test_control_characters_are_written_out_and_text_of_any_script_stays() -> None:
    assert not ESCAPES.search(printable(EVIL))
    assert printable("a\x1b[31mb\tc\nd") == "a\\x1b[31mb\tc\nd"
    assert printable("größe 数字 🙂 Å") == "größe 数字 🙂 Å"
    assert printable_cell("two\nlines\u2028\ud800") == "two\\nlines\\u2028\\ud800"
    assert len(printable("x" * 10**6)) < 5000
    assert len(printable_cell("x" * 10**6)) < 500


def test_names_and_reasons_and_metrics_of_a_run_cannot_command_the_terminal(written: Path) -> None:
    said = EVIL[:-1]  # half of a character is no JSON for run.json
    edit(
        written,
        lambda record: record.update(
            name=said,
            reason=said,
            id=said,
            started=said,
            model={"type": said},
            device={"value": said, "reason": said},
            dataset={"name": said * 10_000, "fingerprint": said, "examples": {said: 1}},
            best={"metric": said, "value": None, "epoch": 1, "step": 1},
            result={said: {said: 1.0}, "test": {said: 1.0}},
            git={"commit": said, "dirty": True},
        ),
    )
    (written / "metrics.jsonl").write_text(json.dumps({"epoch": 1, EVIL: 1.0}) + "\n")
    for command in (["ls"], ["show", written.name], ["ls", "--json"], ["show", written.name, "--json"]):
        done = dlrun("runs", *command, cwd=written.parents[1])
        assert done.returncode == 0
        assert_harmless(done)
        assert len(done.stdout) < 10**6 or "--json" in command


def test_folders_with_odd_names_are_listed_harmlessly(written: Path) -> None:
    written.rename(written.with_name(os.fsdecode(b"\x1b[31m\xff\xfe-run")))
    for command in (["ls"], ["show", "run"], ["ls", "--json"]):
        done = dlrun("runs", *command, cwd=written.parents[1])
        assert done.returncode == 0
        assert_harmless(done)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.update(seconds=1e308, throughput=1e308),
        lambda record: record.update(seconds=float("inf"), throughput=float("nan")),
        lambda record: record.update(seconds=float("nan"), result={"test": {"loss": float("inf")}}),
        lambda record: record.update(seconds=-5, resumed=-1),
        lambda record: record.update(started="0001-01-01T00:00:00", finished="x"),
        lambda record: record.update(started="9999-12-31T23:59:59.999999-23:59"),
        lambda record: record.update(git={}, model={"type": "x"}, dataset=None),
        lambda record: record.update(git={"commit": None, "branch": None, "dirty": None}),
        lambda record: record.update(git={"commit": [1], "dirty": {}}),
        lambda record: record.update(model={"type": "x", "parameters": 10**4000}),
        lambda record: record.update(status="running"),
    ],
)
def test_a_record_with_values_that_no_run_has_is_shown_or_refused(written: Path, change: Callable[..., Any]) -> None:
    edit(written, change)
    for command in (["ls"], ["show", written.name]):
        assert code_of("runs", *command, "--runs-dir", written.parent) in (0, 1)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[" * 100_000,
        b"\xff",
        b'{"id": 1}',
        b'{"id": "a", "name": "b", "id": 3}',
        b'{"id": "a", "name": ["b"]}',
        b'{"id": "a", "name": "b", "status": "\\u001b[31m"}',
        b'{"id": "a", "name": "b", "result": {"test": {"loss": "x"}}}',
        b'{"id": "a", "name": "b", "resumed": ' + b"9" * 5000 + b"}",
        b'{"id": "a", "name": "b", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_a_record_that_is_none_is_one_line(written: Path, text: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    (written / "run.json").write_bytes(text)
    assert code_of("runs", "ls", "--runs-dir", written.parent) == 0
    assert "damaged" in capsys.readouterr().out
    assert code_of("runs", "show", written.name, "--runs-dir", written.parent) == 1
    said = capsys.readouterr().err
    assert "is damaged" in said
    assert len(said.splitlines()) == 1
    assert not ESCAPES.search(said)


@pytest.mark.parametrize(
    "text",
    [b'{"loss": "x"}\n{}\n', b'{"loss": [1]}\n{}\n', b"[1]\n{}\n", b"{" * 10_000 + b"\n{}\n", b"\xff\n{}\n"],
)
def test_rows_that_are_no_numbers_are_refused_with_their_line(
    written: Path, text: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (written / "metrics.jsonl").write_bytes(text)
    assert code_of("runs", "show", written.name, "--runs-dir", written.parent) == 1
    assert "metrics.jsonl:1 is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", [b'{"epoch": NaN, "x": Infinity}\n', b'{"epoch": 1e999}\n', b'{"epoch": null}\n', b"{}\n"]
)
def test_rows_with_numbers_that_are_none_are_shown(written: Path, text: bytes) -> None:
    (written / "metrics.jsonl").write_bytes(text)
    assert code_of("runs", "show", written.name, "--runs-dir", written.parent) == 0
