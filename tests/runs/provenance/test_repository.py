import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dlrun.runs.provenance import repository as module
from dlrun.runs.provenance.repository import git_diff, git_state

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
def test_a_clean_repository_has_commit_and_branch(repository: Path) -> None:
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
def test_a_large_diff_is_cut_with_a_note(repository: Path) -> None:
    (repository / "model.py").write_text("é" * (2 << 20))
    text = git_diff(repository)
    assert len(text.encode()) < (1 << 20) + 200
    assert text.endswith("(cut here: the rest is beyond 1048576 bytes)\n")


def test_without_repository_folder_or_git_there_is_no_state_and_no_diff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "plain").mkdir()
    for folder in (tmp_path / "plain", tmp_path / "missing"):
        assert git_state(folder) is None
        assert git_diff(folder) == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(tmp_path) is None
    assert git_diff(tmp_path) == ""


def test_a_hanging_git_is_killed_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "git"
    program.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\nopen({str(tmp_path / 'ended')!r}, 'w')\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "_GIT_SECONDS", 0.2)
    assert git_state(tmp_path) is None
    assert not (tmp_path / "ended").exists()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return a program that creates the file `ran`, however it is called."""
    path = tmp_path / "program"
    path.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\ncat\n")
    path.chmod(0o755)
    return path


def settings(program: Path) -> str:
    sections = {
        'filter "x"': "clean smudge process",
        'diff "x"': "textconv command external",
        "diff": "external",
        "core": "fsmonitor pager sshCommand alternateRefsCommand editor",
        "gpg": "program",
    }
    lines = ["[alias]", f"status = !{program}", f"diff = !{program}", "[pager]", "diff = true"]
    for section, keys in sections.items():
        lines += [f"[{section}]", *(f"{key} = {program}" for key in keys.split())]
    return "\n".join(lines) + "\n"


def in_its_configuration(repository: Path, program: Path) -> None:
    with (repository / ".git" / "config").open("a") as file:
        file.write(settings(program))


def in_an_included_file(repository: Path, program: Path) -> None:
    (repository / "more").write_text(settings(program))
    git(repository, "config", "include.path", "../more")


def of_its_worktree(repository: Path, program: Path) -> None:
    git(repository, "config", "extensions.worktreeConfig", "true")
    (repository / ".git" / "config.worktree").write_text(settings(program))


def of_the_user(repository: Path, program: Path) -> None:
    # A program of the user's own may read the repository's configuration: that of Git LFS does.
    (repository.parent / "global").write_text(settings(program))


@needs_git
@pytest.mark.parametrize("attributes", [".gitattributes", ".git/info/attributes"])
@pytest.mark.parametrize("plant", [in_its_configuration, in_an_included_file, of_its_worktree, of_the_user])
def test_programs_that_a_configuration_names_are_not_run(
    repository: Path,
    program: Path,
    plant: Callable[[Path, Path], None],
    attributes: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(repository.parent / "global"))
    plant(repository, program)
    (repository / attributes).parent.mkdir(exist_ok=True)
    (repository / attributes).write_text("* filter=x diff=x\n")
    for hook in ("post-index-change", "fsmonitor-watchman", "reference-transaction"):
        (repository / ".git" / "hooks" / hook).write_bytes(program.read_bytes())
        (repository / ".git" / "hooks" / hook).chmod(0o755)
    (repository / "model.py").write_text("units = 2\n")
    state = git_state(repository)
    assert state is not None
    assert (state["dirty"], state["branch"]) == (True, "trunk")
    assert "+units = 2" in git_diff(repository)
    assert not program.with_name("ran").exists()
    subprocess.run(["git", "-C", repository, "status"], check=False, capture_output=True, timeout=10)
    assert program.with_name("ran").exists()  # so the plant is one


@needs_git
def test_neither_a_submodule_nor_a_missing_object_starts_a_program(repository: Path, program: Path) -> None:
    inner = repository / "inner"
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", str(repository), "inner")
    git(repository, "commit", "-m", "second")
    (inner / ".gitattributes").write_text("* filter=x\n")
    with (repository / ".git" / "modules" / "inner" / "config").open("a") as file:
        file.write(settings(program))
    (inner / "model.py").write_text("units = 2\n")
    git(repository, "config", "diff.submodule", "diff")
    assert git_state(inner) is not None
    state = git_state(repository)
    assert state is not None
    assert not state["dirty"]
    # An object that is not there would be fetched, by any program that the address names.
    git(repository, "config", "extensions.partialClone", "theirs")
    for key, value in {"url": f"ext::{program}", "promisor": "true", "uploadpack": str(program)}.items():
        git(repository, "config", f"remote.theirs.{key}", value)
    git(repository, "config", "protocol.allow", "always")
    for found in (repository / ".git" / "objects").glob("??/*"):
        found.unlink()
    assert git_diff(repository) == ""
    assert not program.with_name("ran").exists()


@needs_git
def test_files_outside_the_repository_are_not_compared(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("a key of the user's\n")
    git(repository, "config", "core.worktree", str(tmp_path))
    assert git_state(repository) is None
    assert git_diff(repository) == ""


@needs_git
def test_worktrees_sha256_split_indexes_and_line_ends_are_supported(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-b", "side", str(tmp_path / "side"))
    git(repository, "update-index", "--split-index")
    (tmp_path / "sha256").mkdir()
    git(tmp_path / "sha256", "init", "--object-format=sha256", "--initial-branch=side")
    (tmp_path / "sha256" / "model.py").write_text("units = 1\n")
    git(tmp_path / "sha256", "add", "model.py")
    git(tmp_path / "sha256", "commit", "-m", "first")
    for folder, branch in ((repository, "trunk"), (tmp_path / "side", "side"), (tmp_path / "sha256", "side")):
        state = {"commit": git(folder, "rev-parse", "HEAD"), "branch": branch, "dirty": False}
        assert git_state(folder) == state
        git(folder, "config", "core.autocrlf", "true")
        (folder / "model.py").write_bytes(b"units = 1\r\n")
        assert git_diff(folder) == ""
        (folder / "model.py").write_text("units = 2\n")
        assert "+units = 2" in git_diff(folder)
