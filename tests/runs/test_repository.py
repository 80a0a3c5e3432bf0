import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dlrun.runs import repository as module
from dlrun.runs.repository import git_diff, git_state

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    command = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--initial-branch=trunk")
    (folder / "model.py").write_text("units = 1\n")
    git(folder, "add", "model.py")
    git(folder, "commit", "-m", "first")
    return folder


@needs_git
def test_a_clean_repository_tells_commit_and_branch(repository: Path) -> None:
    (repository / "untracked").touch()
    state = {"commit": git(repository, "rev-parse", "HEAD"), "branch": "trunk", "dirty": False}
    assert git_state(repository) == state
    assert git_diff(repository) == ""


@needs_git
def test_a_changed_file_makes_it_dirty_and_is_in_the_diff_staged_or_not(repository: Path) -> None:
    (repository / "model.py").write_text("units = 2\n")
    for stage in (False, True):
        if stage:
            git(repository, "add", "model.py")
        state = git_state(repository)
        assert state is not None
        assert state["dirty"] is True
        assert "-units = 1\n+units = 2\n" in git_diff(repository)


@needs_git
def test_a_detached_head_has_no_branch_and_an_empty_repository_no_commit(repository: Path, tmp_path: Path) -> None:
    git(repository, "checkout", "--detach")
    state = git_state(repository)
    assert state is not None
    assert (state["branch"], len(state["commit"])) == (None, 40)
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "--initial-branch=trunk")
    assert git_state(tmp_path / "empty") == {"commit": None, "branch": "trunk", "dirty": False}
    assert git_diff(tmp_path / "empty") == ""


@needs_git
def test_a_large_diff_is_cut_and_says_so(repository: Path) -> None:
    (repository / "model.py").write_text("é" * (2 << 20))
    text = git_diff(repository)
    assert len(text.encode()) < (1 << 20) + 200
    assert text.endswith("(cut here: the rest is beyond 1048576 bytes)\n")


def test_no_repository_no_folder_and_no_git_are_none_and_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "plain").mkdir()
    for folder in (tmp_path / "plain", tmp_path / "missing"):
        assert git_state(folder) is None
        assert git_diff(folder) == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(tmp_path) is None
    assert git_diff(tmp_path) == ""


def test_a_git_that_hangs_is_left_alone_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "git"
    program.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "_GIT_SECONDS", 0.2)
    start = time.perf_counter()
    assert git_state(tmp_path) is None
    assert time.perf_counter() - start < 5


@needs_git
def test_programs_that_the_repository_names_are_not_run(repository: Path, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\ntouch {tmp_path}/ran\ncat "$1" 2>/dev/null\n')
    program.chmod(0o755)
    for key in ("core.fsmonitor", "diff.external", "diff.x.textconv", "diff.x.command"):
        git(repository, "config", key, str(program))
    (repository / ".git" / "info" / "attributes").write_text("* diff=x\n")
    (repository / "model.py").write_text("units = 2\n")
    git_state(repository)
    assert "+units = 2" in git_diff(repository)
    assert not (tmp_path / "ran").exists()
