"""Exceptions that dlrun raises for a user's mistakes; `cli/` turns each into a message and an exit code.

    DlrunError                 exit code 1
    ├── SpecError         2    the YAML file or a --set is wrong (carries every Problem found)
    ├── UsageError        2    the command line is wrong
    ├── DataError         3    data is missing, unreadable, or does not match the spec
    ├── RunError          1    a run cannot start, continue or be read
    │   ├── CheckpointError    a checkpoint is missing, unreadable or damaged
    │   └── TakenOverError     another process took the run over while this one was paused
    └── Interrupted     130    the user stopped the run
        └── Paused             a search paused the run, and may continue it later

Anything else that is raised is a bug and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_SHOWN = 50
"""Number of problems that a message lists in full; it only counts the others."""
_LONGEST_LINE = 160


def encodable(text: str) -> str:
    """Return the text with every character that UTF-8 cannot encode written as an escape.

    File names may contain arbitrary bytes, which Python represents as lone surrogates.
    """
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


class DlrunError(Exception):
    """A failure that the user can understand and fix.

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
    """One mistake in a spec, with its location.

    Args:
        what: What was found, in words.
        expected: What was expected.
        hint: What to try, for example the nearest known name.
        origin: The file that contains the mistake, or `--set`.
        line: Line number in `origin`, from 1; 0 if the problem has no line.
        column: Column number in that line, from 1.
        text: The text of that line.
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
    """Return the part of a line to show and the column in that part: one line may be the whole file."""
    if len(line) <= _LONGEST_LINE:
        return line, column
    # The mistake is in the middle, except near either end, where the part would otherwise be shorter than allowed.
    begin = max(0, min(column - 1 - _LONGEST_LINE // 2, len(line) - _LONGEST_LINE))
    end = begin + _LONGEST_LINE
    before, after = "... " if begin else "", " ..." if end < len(line) else ""
    return before + line[begin:end] + after, column - begin + len(before)


class SpecError(DlrunError):
    """The spec is wrong. Holds every problem found, sorted by file and line."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        # `--set` comes last. By name alone it would come before most files, since `-` sorts before letters.
        self.problems = tuple(sorted(problems, key=lambda p: (p.origin == "--set", p.origin, p.line, p.column)))
        super().__init__("\n".join(map(str, self.problems[:MOST_SHOWN])))


class UsageError(DlrunError):
    """The command line is wrong, or asks for something that is not possible."""

    exit_code = 2


class DataError(DlrunError):
    """Data is missing, cannot be read, or does not match the spec."""

    exit_code = 3


class RunError(DlrunError):
    """A run cannot start, continue, or be read."""


class CheckpointError(RunError):
    """A checkpoint is missing, unreadable, or damaged."""


class TakenOverError(RunError):
    """Another process has taken over what this process held, which was paused for longer than its lease."""


class Interrupted(DlrunError):
    """The user stopped the run."""

    exit_code = 130


class Paused(Interrupted):
    """The run has reached the epoch at which the search that trains it pauses it."""
