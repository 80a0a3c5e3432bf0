"""Ask git for the state of the code that a run starts with, without running programs that the repository names.

A repository may have come as an archive. Its configuration can name programs that git starts when it looks at files:
filters, file system monitors, hooks, transports that fetch a missing object; new versions of git add new ones. So git
looks at files with none of that configuration: it works in an empty repository in a temporary folder, which borrows the
objects, the index and the files of the real one. Only `rev-parse`, `symbolic-ref` and `config --get-regexp`, which do
not look at the user's files, run in the real repository.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_GIT_SECONDS = 5.0
_DIFF_LIMIT = 1 << 20
_ANSWER_LIMIT = 1 << 16
_STATUS = ("status", "--porcelain=v2", "--untracked-files=no", "--ignore-submodules=dirty", "--no-renames")
_DIFF = (
    *("diff", "HEAD", "--no-ext-diff", "--no-textconv", "--no-color"),
    *("--ignore-submodules=dirty", "--submodule=short"),  # else git runs inside submodules, with their configuration
)
_HARMLESS = re.compile(r"core\.(autocrlf|eol|filemode|symlinks|ignorecase|precomposeunicode)\n(\w+)", re.ASCII)
"""The configuration that affects how files are compared, and that can only hold a single word."""
_NOTHING_ELSE = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "none",  # do not fetch missing objects
    "GIT_NO_LAZY_FETCH": "1",
}
_NO_CONFIGURATION = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
}


def git_state(directory: Path) -> dict[str, Any] | None:
    """Return the commit of the code in a directory.

    Args:
        directory: A directory.

    Returns:
        `{"commit": 40 digits, or None before the first commit, "branch": its name, or None if detached, "dirty":
        whether a tracked file differs from the commit}`; None without git or outside a repository.
    """
    with _opened(directory) as repository:
        if repository is None:
            return None
        output, ok = repository.git(_STATUS, limit=_DIFF_LIMIT)
        if not ok:
            return None
        return {"commit": repository.commit, "branch": repository.branch, "dirty": bool(output)}


def git_diff(directory: Path) -> str:
    """Return the diff of the tracked files against the last commit, at most 1 MiB; empty if there is none.

    Untracked files are not included. Files that pass through a filter, as with Git LFS, are compared as they are in the
    working tree.

    Args:
        directory: A directory.
    """
    with _opened(directory) as repository:
        if repository is None or repository.commit is None:
            return ""
        output, ok = repository.git(_DIFF, limit=_DIFF_LIMIT + 1)
    if not ok:
        return ""
    text = output[:_DIFF_LIMIT].decode(errors="replace")
    return text if len(output) <= _DIFF_LIMIT else f"{text}\n(cut here: the rest is beyond {_DIFF_LIMIT} bytes)\n"


@dataclass(frozen=True)
class _Repository:
    """A repository, seen through an empty one that has its objects, its index and its files.

    Args:
        directory: A directory in its working tree.
        environment: The environment variables for git.
        commit: The commit of HEAD; None before the first commit.
        branch: The name of the branch; None if detached.
    """

    directory: Path
    environment: Mapping[str, str]
    commit: str | None
    branch: str | None

    def git(self, arguments: tuple[str, ...], *, limit: int) -> tuple[bytes, bool]:
        return _git(self.directory, arguments, limit=limit, environment=self.environment)


@contextmanager
def _opened(directory: Path) -> Iterator[_Repository | None]:
    """Create the empty repository that stands in for that of `directory`; yield None if there is none."""
    paths = ("--show-toplevel", "--git-dir", "--git-path", "objects", "--git-path", "index", "--show-object-format")
    found = _lines(directory, "rev-parse", *paths)
    if len(found) != 5:  # more if a path contains a line break
        yield None
        return
    top, git_dir, objects, index = (Path(os.path.abspath(directory / name)) for name in found[:4])  # noqa: PTH100
    if not _belongs(git_dir, top):
        yield None
        return
    with ExitStack() as stack:
        repository = None
        with suppress(OSError):  # for example, no space for a temporary folder
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix="dlrun-git-", ignore_cleanup_errors=True))
            head = next(iter(_lines(directory, "symbolic-ref", "-q", "HEAD")), "")
            commit = next(iter(_lines(directory, "rev-parse", "--verify", "-q", "HEAD")), None)
            _fill(Path(place), directory, commit=commit, object_format=found[4])
            for shared in git_dir.glob("sharedindex.*"):  # a split index refers to such files
                Path(place, shared.name).symlink_to(shared)
            own = {"HOME": place, "XDG_CONFIG_HOME": place, "GIT_DIR": place, "GIT_WORK_TREE": str(top)}
            own |= {"GIT_OBJECT_DIRECTORY": str(objects), "GIT_INDEX_FILE": str(index)}
            others = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
            environment = {**others, **_NO_CONFIGURATION, **own}
            repository = _Repository(directory, environment, commit, head.removeprefix("refs/heads/") or None)
        yield repository


def _belongs(git_dir: Path, top: Path) -> bool:
    """Return whether the working tree is really that of `git_dir`: `core.worktree` may name any folder of the user."""
    link = top / ".git"
    with suppress(OSError):
        if link.is_dir():
            return link.samefile(git_dir)
        content = link.read_text(encoding="utf-8", errors="surrogateescape") if link.is_file() else ""
        return content.startswith("gitdir: ") and (top / content.removeprefix("gitdir: ").strip()).samefile(git_dir)
    return False


def _fill(stand_in: Path, directory: Path, *, commit: str | None, object_format: str) -> None:
    settings, _ = _git(directory, ("config", "-z", "--get-regexp", r"^core\."), limit=_ANSWER_LIMIT)
    words = [_HARMLESS.fullmatch(line) for line in settings.decode(errors="replace").split("\0")]
    lines = ["[core]", "repositoryformatversion = 1", *(f"{word[1]} = {word[2]}" for word in words if word)]
    if object_format == "sha256":
        lines += ["[extensions]", "objectFormat = sha256"]
    (stand_in / "config").write_text("\n".join(lines) + "\n")
    (stand_in / "HEAD").write_text(f"{commit or 'ref: refs/heads/none'}\n")
    (stand_in / "refs").mkdir()


def _lines(directory: Path, *arguments: str) -> list[str]:
    output, ok = _git(directory, arguments, limit=_ANSWER_LIMIT)
    return output.decode(errors="surrogateescape").splitlines() if ok else []


def _git(
    directory: Path, arguments: tuple[str, ...], *, limit: int, environment: Mapping[str, str] | None = None
) -> tuple[bytes, bool]:
    """Return the first `limit` bytes of git's output, and whether they are reliable; never fail, never wait long."""
    program = shutil.which("git")
    if program is None or not Path(program).is_absolute():  # a relative entry of PATH could be in the repository
        return b"", False
    try:
        process = subprocess.Popen(  # noqa: S603  the arguments are constants of this module
            [program, "-c", "core.fsmonitor=false", "-C", str(directory), *arguments],
            env={**(os.environ if environment is None else environment), **_NOTHING_ELSE},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, ValueError):
        return b"", False
    with process:
        watchdog = threading.Timer(_GIT_SECONDS, process.kill)
        watchdog.start()
        output = process.stdout.read(limit) if process.stdout else b""
        cut = len(output) == limit
        if cut:
            process.kill()
        code = process.wait()
        watchdog.cancel()
    return output, cut or code == 0
