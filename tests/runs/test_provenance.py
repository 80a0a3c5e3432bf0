import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dlrun.runs import provenance

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
    assert provenance.git_state(repository) == state
    assert provenance.git_diff(repository) == ""


@needs_git
def test_a_changed_file_makes_it_dirty_and_is_in_the_diff_staged_or_not(repository: Path) -> None:
    (repository / "model.py").write_text("units = 2\n")
    for stage in (False, True):
        if stage:
            git(repository, "add", "model.py")
        state = provenance.git_state(repository)
        assert state is not None
        assert state["dirty"] is True
        assert "-units = 1\n+units = 2\n" in provenance.git_diff(repository)


@needs_git
def test_a_detached_head_has_no_branch_and_an_empty_repository_no_commit(repository: Path, tmp_path: Path) -> None:
    git(repository, "checkout", "--detach")
    state = provenance.git_state(repository)
    assert state is not None
    assert (state["branch"], len(state["commit"])) == (None, 40)
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "--initial-branch=trunk")
    assert provenance.git_state(tmp_path / "empty") == {"commit": None, "branch": "trunk", "dirty": False}
    assert provenance.git_diff(tmp_path / "empty") == ""


@needs_git
def test_a_large_diff_is_cut_and_says_so(repository: Path) -> None:
    (repository / "model.py").write_text("é" * (2 << 20))
    text = provenance.git_diff(repository)
    assert len(text.encode()) < (1 << 20) + 200
    assert text.endswith("(cut here: the rest is beyond 1048576 bytes)\n")


def test_no_repository_no_folder_and_no_git_are_none_and_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "plain").mkdir()
    for folder in (tmp_path / "plain", tmp_path / "missing"):
        assert provenance.git_state(folder) is None
        assert provenance.git_diff(folder) == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.git_state(tmp_path) is None
    assert provenance.git_diff(tmp_path) == ""


def test_a_git_that_hangs_is_left_alone_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "git"
    program.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(provenance, "_GIT_SECONDS", 0.2)
    start = time.perf_counter()
    assert provenance.git_state(tmp_path) is None
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
    provenance.git_state(repository)
    assert "+units = 2" in provenance.git_diff(repository)
    assert not (tmp_path / "ran").exists()


def test_versions_name_python_and_the_libraries_without_importing_them() -> None:
    program = (
        "import sys; from dlrun.runs.provenance import versions; print(*versions()); print('keras' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert run.stdout.split() == ["python", "dlrun", "tensorflow", "keras", "numpy", "False"]


def test_packages_are_sorted_and_pinned_each_once() -> None:
    lines = provenance.packages_text().splitlines()
    names = [line.partition("==")[0].casefold() for line in lines]
    assert names == sorted(set(names))
    assert all(line.partition("==")[2] for line in lines)
    assert "pytest" in names


def test_the_machine_is_told_in_numbers() -> None:
    found = provenance.machine()
    assert found["cores"] >= found["usable_cores"] >= 1
    assert found["memory_gib"] > 0.1
    assert found["cpu"]
    assert found["platform"]


def test_no_environment_variable_is_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2-hunter2")
    everything = (
        provenance.versions(),
        provenance.packages_text(),
        provenance.machine(),
        provenance.git_state(tmp_path),
    )
    assert "hunter2" not in repr(everything)
