"""A terminal, a pipe or a log that goes away while dlrun writes to it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlrun.cli.display.console import Console

DLRUN = f"{sys.executable} -m dlrun"


def shell(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    line = ["bash", "-o", "pipefail", "-c", command]
    return subprocess.run(line, capture_output=True, text=True, check=False, cwd=cwd, timeout=60)


@pytest.mark.parametrize("arguments", ["components", "schema"])
def test_a_reader_that_takes_one_line_and_goes_gets_no_traceback(tmp_path: Path, arguments: str) -> None:
    done = shell(f"{DLRUN} {arguments} | head -1", tmp_path)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("redirection", [">&-", ">&- 2>&- <&-", ">/dev/full"])
def test_streams_that_are_closed_or_full_give_no_traceback(tmp_path: Path, redirection: str) -> None:
    done = shell(f"{DLRUN} components {redirection}", tmp_path)
    assert "Traceback" not in done.stderr + done.stdout
    assert done.returncode in (0, 1)


def check_that_it_went_on(folder: Path) -> None:
    (run,) = (folder / "runs").iterdir()
    assert '"status": "completed"' in (run / "run.json").read_text()
    log = (run / "log.txt").read_text()
    assert "epoch 4/4" in log
    assert "Traceback" not in log


@pytest.mark.tensorflow
def test_a_training_goes_on_when_its_reader_takes_one_line_and_goes(small: Any) -> None:
    done = shell(f"{DLRUN} train small.yaml 2>&1 | head -1", small.folder)
    assert "Traceback" not in done.stderr + done.stdout
    check_that_it_went_on(small.folder)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "streams",
    [
        pytest.param({2: "/dev/full"}, id="2>/dev/full"),
        pytest.param({1: None}, id=">&-"),
        pytest.param({2: None}, id="2>&-"),
        pytest.param({1: None, 2: None}, id=">&- 2>&-"),
        pytest.param({1: "nobody"}, id="| true"),
    ],
)
def test_a_training_goes_on_to_its_end_when_nobody_listens_any_more(
    small: Any, forked: Any, streams: dict[int, str | None]
) -> None:
    done = forked.run("train", "small.yaml", folder=small.folder, streams=streams)
    assert "Traceback" not in done.err + done.out
    check_that_it_went_on(small.folder)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("target")])
def test_a_log_that_is_no_file_is_told_and_never_followed(
    tmp_path: Path, make: Callable[[Path], object], capfd: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "log.txt")
    console = Console()
    with console.noise_kept_away():
        console.open_log(tmp_path / "log.txt")
        console.say("still said")
    said = capfd.readouterr().err
    assert "cannot write" in said
    assert "log.txt" in said
    assert "still said" in said
    assert not (tmp_path / "target").exists()


def test_a_log_whose_disk_is_full_is_told_once_and_printing_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    real = os.write

    def full(handle: int, data: bytes) -> int:
        if b"second" in data or b"third" in data:
            raise OSError(28, "No space left on device")
        return real(handle, data)

    monkeypatch.setattr(os, "write", full)
    console = Console()
    with console.noise_kept_away():
        console.open_log(tmp_path / "log.txt")
        for line in ("first", "second", "third"):
            console.say(line)
    said = capfd.readouterr().err.splitlines()
    assert said == [
        "first",
        "warning    log.txt ends here: No space left on device; later messages are printed but not logged",
        "second",
        "third",
    ]
    assert (tmp_path / "log.txt").read_text() == "first\n"


def test_what_the_log_gets_is_printable_too(tmp_path: Path) -> None:
    console = Console(quiet=True)
    with console.noise_kept_away():
        console.open_log(tmp_path / "log.txt")
        console.say("\x1b[2J\ud800")
    assert (tmp_path / "log.txt").read_text() == "\\x1b[2J\\ud800\n"
