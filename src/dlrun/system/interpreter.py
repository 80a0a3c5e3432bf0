"""Start dlrun's own programs in this Python, so that no code of the current folder runs and their answers are reliable.

`python -m` and `python -c` look for every module in the current folder first: a `types.py` there would run instead of
Python's own. And libraries may print to stdout, between or inside the lines of an answer. So answers go through a pipe
of their own.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_LONGEST_TEXT = 2000
"""The largest number of characters of a text in an answer: a pipe holds several of them without a reader."""


def python_command(*arguments: str) -> list[str]:
    """Return the command line that runs this Python with `arguments`, without the current folder on its path."""
    return [sys.executable, "-P", *arguments]


def python_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for `python_command`: that of this process, without the current folder in `PYTHONPATH`.

    To Python, an empty entry means the current folder; `PYTHONPATH=$PYTHONPATH:/more` creates one by accident.

    Args:
        changes: Additional variables.
    """
    entries = [_absolute(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    source = Path(__file__).absolute().parents[2]
    with suppress(OSError):  # the current folder may have been removed
        if source.samefile("."):  # dlrun itself runs from its source folder
            entries.append(str(source))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = {"PYTHONPATH": os.pathsep.join(entries)} if entries else {}
    return {**environment, **path, **(changes or {})}


def _absolute(entry: str) -> str:
    # The child process may run in another folder.
    with suppress(OSError):
        return str(Path(entry).absolute())
    return entry


class Answer:
    """The pipe for a child's answer; pass `inherited` as `pass_fds` and `argument` on its command line.

    Args:
        reader: The end that stays in this process.
        writer: The end for the child.
    """

    def __init__(self, reader: int, writer: int) -> None:
        self._reader = reader
        self._writer: int | None = writer
        self.inherited = (writer,)
        self.argument = str(writer)

    def handed_over(self) -> int:
        """Close the child's end in this process, once the child has it, and return the end to read from."""
        if self._writer is not None:
            os.close(self._writer)
            self._writer = None
        return self._reader

    def read(self) -> Any:
        """Return the last answer of a child that has ended; None if there is none."""
        os.set_blocking(self.handed_over(), False)  # a process started by the child may keep its end open
        data = b""
        with suppress(BlockingIOError):
            while piece := os.read(self._reader, 1 << 16):
                data += piece
        lines = data.splitlines()
        with suppress(ValueError):
            return json.loads(lines[-1]) if lines else None
        return None  # the child ended in the middle of a line

    def close(self) -> None:
        """Close both ends."""
        os.close(self.handed_over())


@contextmanager
def answer_pipe() -> Iterator[Answer]:
    """Create the pipe for a child's answer.

    Raises:
        OSError: This process has too many open files.
    """
    answer = Answer(*os.pipe())
    try:
        yield answer
    finally:
        answer.close()


def taken_over(argument: str) -> int:
    """Return the pipe that this process answers through, and keep processes that it starts from inheriting it.

    Args:
        argument: The argument from the command line, `Answer.argument`.
    """
    pipe = int(argument)
    os.set_inheritable(pipe, False)
    return pipe


def answer(pipe: int, content: str | Mapping[str, Any]) -> None:
    """Send an answer to the parent process; long texts are cut, since it may read only after this process has ended.

    Args:
        pipe: The pipe, from `taken_over`.
        content: A text, or a few texts and numbers by name.
    """
    with suppress(OSError):  # the parent has ended
        os.write(pipe, json.dumps(_short(content)).encode() + b"\n")


def _short(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _short(value) for key, value in content.items()}
    return content[:_LONGEST_TEXT] if isinstance(content, str) else content
