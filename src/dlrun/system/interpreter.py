"""Start programs of dlrun's own in this Python, so that no code of the current folder runs and their answers are sure.

`python -m` and `python -c` look for every module in the current folder first: a `types.py` that lies there would be
run in place of Python's own. And what a library prints on stdout may stand between, or inside, the lines of an answer:
so an answer goes through a pipe of its own.
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
"""Characters of a text in an answer: a pipe holds some of them without a reader."""


def python_command(*arguments: str) -> list[str]:
    """Return the command line that runs this Python with `arguments`, without the current folder on its path."""
    return [sys.executable, "-P", *arguments]


def python_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for `python_command`: this process' own, its `PYTHONPATH` without the current folder.

    An empty entry, as `PYTHONPATH=$PYTHONPATH:/more` makes one by accident, means the current folder to Python.

    Args:
        changes: Variables to set besides.
    """
    entries = [_absolute(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    source = Path(__file__).absolute().parents[2]
    with suppress(OSError):  # the current folder may have been removed
        if source.samefile("."):  # dlrun itself is run from its source folder
            entries.append(str(source))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = {"PYTHONPATH": os.pathsep.join(entries)} if entries else {}
    return {**environment, **path, **(changes or {})}


def _absolute(entry: str) -> str:
    # The child may run in another folder.
    with suppress(OSError):
        return str(Path(entry).absolute())
    return entry


class Answer:
    """The pipe through which a child process answers: `pass_fds=answer.inherited`, and `answer.argument` tells it.

    Args:
        reader: The end that stays here.
        writer: The end for the child.
    """

    def __init__(self, reader: int, writer: int) -> None:
        self._reader = reader
        self._writer: int | None = writer
        self.inherited = (writer,)
        self.argument = str(writer)

    def handed_over(self) -> int:
        """Close the child's end here, once the child has it; return the end to read from."""
        if self._writer is not None:
            os.close(self._writer)
            self._writer = None
        return self._reader

    def read(self) -> Any:
        """Return what a child that has ended has answered last; None if it has not."""
        os.set_blocking(self.handed_over(), False)  # a process of the child's own may keep the other end open
        data = b""
        with suppress(BlockingIOError):
            while piece := os.read(self._reader, 1 << 16):
                data += piece
        lines = data.splitlines()
        with suppress(ValueError):
            return json.loads(lines[-1]) if lines else None
        return None  # it ended in the middle of a line

    def close(self) -> None:
        """Close both ends."""
        os.close(self.handed_over())


@contextmanager
def answer_pipe() -> Iterator[Answer]:
    """Make the pipe for a child's answer.

    Raises:
        OSError: This process has too many files open.
    """
    answer = Answer(*os.pipe())
    try:
        yield answer
    finally:
        answer.close()


def taken_over(argument: str) -> int:
    """Return the pipe that this process answers through, kept from the processes that it starts itself.

    Args:
        argument: Of the command line: `Answer.argument`.
    """
    pipe = int(argument)
    os.set_inheritable(pipe, False)
    return pipe


def answer(pipe: int, content: str | Mapping[str, Any]) -> None:
    """Answer whoever started this process; long texts are cut, since nobody reads before this process has ended.

    Args:
        pipe: From `taken_over`.
        content: A text, or a few texts and numbers by name.
    """
    with suppress(OSError):  # whoever asked has gone
        os.write(pipe, json.dumps(_short(content)).encode() + b"\n")


def _short(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _short(value) for key, value in content.items()}
    return content[:_LONGEST_TEXT] if isinstance(content, str) else content
