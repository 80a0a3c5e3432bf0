"""What can go wrong, as one tree of exceptions; `cli/` turns each into a message and an exit code.

    DlrunError                 exit code 1
    ├── SpecError         2    the YAML file or a --set is wrong (carries every Problem found)
    ├── UsageError        2    the command line is wrong
    ├── DataError         3    data is missing or is not what it was said to be
    ├── RunError          1    a run could not start, go on or be read
    │   └── CheckpointError    a checkpoint is missing, unreadable or damaged
    └── Interrupted     130    the user stopped the run

Anything else that is raised is a bug and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_SHOWN = 50
"""Problems of a spec that a message shows one by one; of the rest it gives the number."""
_LONGEST_LINE = 160


def encodable(text: str) -> str:
    """Text that UTF-8 can hold: a byte of a file's name that is no text is written out, as an escape."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


class DlrunError(Exception):
    """A failure that the user can understand and mend.

    Args:
        what: What happened, and where.
        expected: What was expected instead.
        hint: What to try.
    """

    exit_code = 1

    def __init__(self, what: str, *, expected: str = "", hint: str = "") -> None:
        self.what = what
        self.expected = expected
        self.hint = hint
        labelled = (("", what), ("expected: ", expected), ("hint: ", hint))
        super().__init__("\n".join(label + text for label, text in labelled if text))


@dataclass(frozen=True)
class Problem:
    """One mistake in a spec and the place where it stands.

    Args:
        what: What was found.
        expected: What was expected.
        hint: What to try; the nearest known name, for example.
        origin: The file, or `--set`.
        line: Line in `origin`, from 1; 0 when the problem has no line.
        column: Column in that line, from 1.
        text: The line itself.
    """

    what: str
    expected: str = ""
    hint: str = ""
    origin: str = ""
    line: int = 0
    column: int = 0
    text: str = ""

    def __str__(self) -> str:
        place = f"{self.origin}:{self.line}:{self.column}: " if self.line else f"{self.origin}: "
        rows = [(place if self.origin else "") + self.what]
        if self.line:
            text, column = _around(self.text, self.column)
            rows += [f"    {text}", "    " + " " * (column - 1) + "^"]
        rows += [f"  expected: {self.expected}"] if self.expected else []
        rows += [f"  hint: {self.hint}"] if self.hint else []
        return "\n".join(rows)


def _around(line: str, column: int) -> tuple[str, int]:
    """The part of a line that is shown, and the column in it: a line may be the whole file."""
    if len(line) <= _LONGEST_LINE:
        return line, column
    begin = max(0, min(column - 1 - _LONGEST_LINE // 2, len(line) - _LONGEST_LINE))
    end = begin + _LONGEST_LINE
    before, after = "... " if begin else "", " ..." if end < len(line) else ""
    return before + line[begin:end] + after, column - begin + len(before)


class SpecError(DlrunError):
    """The spec is wrong; carries every problem that was found, in the order of files and lines."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.origin == "--set", p.origin, p.line, p.column)))
        super().__init__("\n".join(map(str, self.problems[:MOST_SHOWN])))


class UsageError(DlrunError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class DataError(DlrunError):
    """Data is missing, cannot be read, or is not what it was said to be."""

    exit_code = 3


class RunError(DlrunError):
    """A run could not start, go on, or be read."""


class CheckpointError(RunError):
    """A checkpoint is missing, cannot be read, or is not what was written."""


class Interrupted(DlrunError):
    """The user stopped the run."""

    exit_code = 130
