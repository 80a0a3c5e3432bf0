"""Whatever happens to the process of one check, its row says so, and the other rows are there."""

import os
import sys
import time
from pathlib import Path

import pytest

from dlrun.gpu_check.check import Check, CheckPlace, CheckVerdict
from dlrun.gpu_check.running import find_place, run_checks

HEAD = "import json, os, sys, time\n"
ANSWER = HEAD + "os.write(int(sys.argv[4]), (json.dumps({'value': 7}) + '\\n').encode())\n"


def program(folder: Path, code: str, *, seconds: int = 30) -> Check:
    path = folder / f"program-{len(list(folder.iterdir()))}.py"
    path.write_text(code)
    return Check(path.stem, (str(path),), lambda found: CheckVerdict("ok", f"value {found['value']}"), seconds)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (HEAD + "os.abort()", "crashed (SIGABRT)"),
        (HEAD + "raise ValueError('no such kernel')", "ValueError: no such kernel"),
        (
            HEAD + "sys.exit('E0000 00:00 noise\\nError: dlrun train: error: no device')",
            "dlrun train: error: no device",
        ),
        (HEAD + "print('I0000 00:00:1 noise')", "ended with exit code 0 and without an answer"),
        (HEAD + 'os.write(int(sys.argv[4]), b\'{"error": "out of memory"}\\n\')', "out of memory"),
    ],
)
def test_a_program_that_fails_is_a_row_with_its_reason_and_the_next_row_follows(
    code: str, reason: str, tmp_path: Path
) -> None:
    checks = [program(tmp_path, code), program(tmp_path, ANSWER)]
    failed, passed = run_checks(checks, CheckPlace("gpu", 1, tmp_path / "work"))
    assert failed.verdict.status == "failed"
    assert reason in failed.verdict.text
    assert "noise" not in failed.verdict.text
    assert passed.verdict == CheckVerdict("ok", "value 7")


def test_a_program_that_takes_too_long_is_ended_with_the_processes_that_it_has_started(tmp_path: Path) -> None:
    started = tmp_path / "child"
    child = "[sys.executable, '-c', 'import time; time.sleep(60)']"
    code = f"{HEAD}import subprocess\np = subprocess.Popen({child})\n"
    code += f"open({str(started)!r}, 'w').write(str(p.pid))\nprint('step 3', flush=True)\ntime.sleep(60)"
    (row,) = run_checks([program(tmp_path, code, seconds=1)], CheckPlace("gpu", 1, tmp_path / "work"))
    assert row.verdict == CheckVerdict("failed", "took longer than 1 s: step 3")
    number, deadline = int(started.read_text()), time.monotonic() + 10
    while Path(f"/proc/{number}").exists() and "Z" not in state(number):
        assert time.monotonic() < deadline, "the process goes on"
        time.sleep(0.01)


def state(number: int) -> str:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_after_a_gate_that_is_closed_no_check_runs(tmp_path: Path) -> None:
    bad = program(tmp_path, HEAD + "os.abort()")
    gate = Check("the gate", bad.program, bad.judge, is_gate=True)
    _, second = run_checks([gate, program(tmp_path, ANSWER)], CheckPlace("gpu", 1, tmp_path / "work"))
    assert second.verdict == CheckVerdict("-", "needs: the gate")


def test_a_program_is_given_device_number_and_an_empty_folder_of_its_own(tmp_path: Path) -> None:
    code = HEAD + "assert os.listdir(sys.argv[3]) == []\nopen('here', 'w')\n"
    code += "os.write(int(sys.argv[4]), (json.dumps({'value': sys.argv[1:4]}) + '\\n').encode())\n"
    rows = list(run_checks([program(tmp_path, code)] * 2, CheckPlace("cpu", 3, tmp_path / "work")))
    assert [row.verdict.status for row in rows] == ["ok", "ok"]
    assert "['cpu', '3', " in rows[1].verdict.text


def test_the_place_is_the_visible_gpus_or_the_cpu_for_a_rehearsal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2,3")
    assert find_place(rehearses=False, folder=tmp_path) == CheckPlace("gpu", 3, tmp_path)
    place = find_place(rehearses=True, folder=tmp_path)
    assert place.is_rehearsal
    assert 1 <= place.count <= (os.cpu_count() or 1)
    assert sys.executable
