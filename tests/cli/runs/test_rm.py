"""`dlrun runs rm` as a person runs it, in this process: no TensorFlow is needed."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import Dlrun
from dlrun.runs.folder import RunFolder
from dlrun.runs.query.index import _head
from dlrun.system.lease.lease import Lease, take_lease
from dlrun.system.lease.process import this_process
from dlrun.system.lease.renewal import renewal


def test_runs_are_removed_only_after_confirmation(
    dlrun: Dlrun, folders: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "stdin is not a terminal" in dlrun("rm", "--where", "seconds>0")[2]
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    answers = iter("ny")
    monkeypatch.setattr("typer.confirm", lambda question, **_: "2 runs" in question and next(answers) == "y")
    assert dlrun("rm", "--where", "seconds>0")[::2] == (1, "nothing was removed\n")
    assert all(folder.path.is_dir() for folder in folders)
    with folders[2].lock():
        code, _, err = dlrun("rm", "--where", "seconds>0", "--yes")
        assert (code, f"skipped: the run {folders[2].id} is held by process {os.getpid()}" in err) == (0, True)
        assert dlrun("rm", "last", "--yes")[0] == 1
    assert [folder.path.is_dir() for folder in folders] == [True, False, True]
    found = json.loads(dlrun("rm", folders[0].id, folders[2].id, folders[0].id, "--yes", "--json")[1])
    assert [run["run"] for run in found] == [folders[0].id, folders[2].id]
    assert [folder.path.is_dir() for folder in folders] == [False, False, False]


def test_a_removal_does_not_trust_the_index(dlrun: Dlrun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlrun.runs.query.index._WORTH_AN_INDEX", 1)
    monkeypatch.setattr("dlrun.runs.query.index._SETTLED_NS", -(10**15))
    folder = RunFolder.create(tmp_path / "runs", name="good")
    folder.update_record(status="completed")
    assert "completed" in dlrun("ls")[1]
    index = tmp_path / "runs" / ".index.json"
    body = index.read_bytes().partition(b"\n")[2].replace(b'"completed"', b'"failed"')
    index.write_bytes(_head(body) + b"\n" + body)
    assert "failed" in dlrun("ls")[1]
    assert dlrun("rm", "--where", "status=failed", "--yes") == (0, "", "nothing to remove\n")
    assert folder.path.is_dir()


def test_a_wrong_command_line_is_one_message_and_exit_code_2(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    first = folders[0].id
    for arguments, words in [
        (("rm",), "name the runs to remove"),
        (("rm", first, "--where", "name=x"), "give only one of them"),
        (("rm", first), "--yes"),
    ]:
        code, out, err = dlrun(*arguments)
        assert (code, out) == (2, ""), arguments
        assert words in err, arguments
    assert all(folder.path.is_dir() for folder in folders)


def test_a_run_of_a_machine_that_is_gone_is_removed_after_a_wait_that_is_announced(
    dlrun: Dlrun, folders: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLRUN_LEASE_SECONDS", "0.2")
    owner = replace(this_process(), host="node7", boot="7" * 16, number=4711)
    lease = take_lease(folders[0].lock_folder, what="it", owner=owner)
    assert isinstance(lease, Lease)
    renewal.remove(lease)
    code, _, err = dlrun("rm", folders[0].id, "--yes")
    assert f"the run {folders[0].id} is held by process 4711 on node7: waiting for a sign of life" in err
    assert (code, folders[0].path.is_dir()) == (0, False)


def test_runs_that_started_from_a_removed_one_are_named(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    parent, child, other = folders
    started = {"source": "run", "place": parent.id, "sha256": "0" * 64, "checkpoint": "final"}
    child.update_record(initialization=[started])
    other.update_record(initialization=[{**started, "source": "file"}])
    code, _, err = dlrun("rm", parent.id, "--yes")
    assert code == 0
    assert f"{parent.id}: 1 run started from its weights and cannot be reproduced without it: {child.id}" in err
    assert other.id not in err
    assert not parent.path.exists()


def test_a_child_that_is_removed_with_its_parent_is_not_named(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    parent, child, _ = folders
    child.update_record(
        initialization=[{"source": "run", "place": parent.id, "sha256": "0" * 64, "checkpoint": "final"}]
    )
    assert "started from" not in dlrun("rm", parent.id, child.id, "--yes")[2]
