"""The state of the code that a run was started with, as git knows it, without a program that the repository names.

A repository may have come as an archive, and its configuration names programs that git starts as it looks at files:
filters, file system monitors, hooks, transports that fetch a missing object. New ones come with new versions of git.
So none of its configuration is there when git looks at files: it works for a repository of its own, an empty one in a
temporary folder, that borrows the objects, the index and the files. Only `rev-parse`, `symbolic-ref` and
`config --get-regexp`, which look at no file of the user's, meet the real one.
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
    *("--ignore-submodules=dirty", "--submodule=short"),  # git would be started in them, with their configuration
)
_HARMLESS = re.compile(r"core\.(autocrlf|eol|filemode|symlinks|ignorecase|precomposeunicode)\n(\w+)", re.ASCII)
"""What of the configuration decides how files are compared, and can be no more than a word."""
_NOTHING_ELSE = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "none",  # a missing object is not fetched
    "GIT_NO_LAZY_FETCH": "1",
}
_NO_CONFIGURATION = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
}


def git_state(directory: Path) -> dict[str, Any] | None:
    """Tell which commit the code in `directory` is of.

    Returns:
        `{"commit": 40 digits or None before the first commit, "branch": name or None when detached, "dirty": whether a
        tracked file differs from the commit}`; None where there is no git or no repository.
    """
    with _opened(directory) as repository:
        if repository is None:
            return None
        output, ok = repository.git(_STATUS, limit=_DIFF_LIMIT)
        if not ok:
            return None
        return {"commit": repository.commit, "branch": repository.branch, "dirty": bool(output)}


def git_diff(directory: Path) -> str:
    """Tell how the tracked files differ from the last commit, in at most 1 MiB; empty where there is nothing to tell.

    Files that git does not track are not in it. A file that passes through a filter, as those of Git LFS do, is
    compared as it lies there.
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
        directory: Inside its files.
        environment: What makes git see it so.
        commit: What its HEAD is; None before the first commit.
        branch: None when detached.
    """

    directory: Path
    environment: Mapping[str, str]
    commit: str | None
    branch: str | None

    def git(self, arguments: tuple[str, ...], *, limit: int) -> tuple[bytes, bool]:
        return _git(self.directory, arguments, limit=limit, environment=self.environment)


@contextmanager
def _opened(directory: Path) -> Iterator[_Repository | None]:
    """Make the empty repository that stands for the one of `directory`; None where there is none."""
    paths = ("--show-toplevel", "--git-dir", "--git-path", "objects", "--git-path", "index", "--show-object-format")
    found = _lines(directory, "rev-parse", *paths)
    if len(found) != 5:  # a name with a line's end in it is one more
        yield None
        return
    top, git_dir, objects, index = (Path(os.path.abspath(directory / name)) for name in found[:4])  # noqa: PTH100
    if not _belongs(git_dir, top):
        yield None
        return
    with ExitStack() as stack:
        repository = None
        with suppress(OSError):  # no room for a temporary folder
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix="dlrun-git-", ignore_cleanup_errors=True))
            head = next(iter(_lines(directory, "symbolic-ref", "-q", "HEAD")), "")
            commit = next(iter(_lines(directory, "rev-parse", "--verify", "-q", "HEAD")), None)
            _fill(Path(place), directory, commit=commit, object_format=found[4])
            for shared in git_dir.glob("sharedindex.*"):  # which the index may go on in
                Path(place, shared.name).symlink_to(shared)
            own = {"HOME": place, "XDG_CONFIG_HOME": place, "GIT_DIR": place, "GIT_WORK_TREE": str(top)}
            own |= {"GIT_OBJECT_DIRECTORY": str(objects), "GIT_INDEX_FILE": str(index)}
            others = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
            environment = {**others, **_NO_CONFIGURATION, **own}
            repository = _Repository(directory, environment, commit, head.removeprefix("refs/heads/") or None)
        yield repository


def _belongs(git_dir: Path, top: Path) -> bool:
    """Whether `.git` of the files is this one: `core.worktree` may name any folder, whose files a diff would show."""
    link = top / ".git"
    with suppress(OSError):
        if link.is_dir():
            return link.samefile(git_dir)
        said = link.read_text(encoding="utf-8", errors="surrogateescape") if link.is_file() else ""
        return said.startswith("gitdir: ") and (top / said.removeprefix("gitdir: ").strip()).samefile(git_dir)
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
    """The first `limit` bytes that git prints, and whether they can be trusted; never an error, never a long wait."""
    program = shutil.which("git")
    if program is None or not Path(program).is_absolute():  # from a relative entry of PATH: the current folder's
        return b"", False
    try:
        process = subprocess.Popen(  # noqa: S603  (the arguments are this module's own)
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
