"""Fits lines to a terminal: leaves out the parts of least worth, and wraps between words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from rich.cells import cell_len

from dlrun.cli.display.printable import printable_cell

_GAP = "  "
_CUT = ".."
_SHORTEST_NAME = 8
_OF_COMMAND = r"(?: (?:--?[a-z]\S*(?: [^\s-]\S*)?|last\b|\S*[/=.:_A-Z\d]\S*))*"
_COMMAND = rf"dlrun(?: runs| data)? [a-z-]+{_OF_COMMAND}"
"""Matches a command in a sentence. Arguments differ from prose in their form: `x.yaml` has a dot, `RUN` capitals."""
_COMMAND_AT_END = re.compile(rf" (?<=: )({_COMMAND})$")
_WORD = re.compile(rf"{_COMMAND}|--[a-z]\S* \S+|\S+")
"""Matches a word to wrap at. A command or option with its value counts as one word, so that it can be copied."""
_CHUNK = re.compile(r"(\s*)(\S+(?: \S+)*)")


@dataclass(frozen=True)
class LinePart:
    """One part of a line, such as a score or the time left.

    Args:
        key: Identifies the same part in different lines.
        text: The text, which follows `name` if there is one.
        worth: The part of least worth is left out first; a part worth `ALWAYS` never.
        name: The name of a score. Names are shortened before a valuable score is left out.
        style: The style for rich.
    """

    key: str
    text: str
    worth: int
    name: str = ""
    style: str = ""

    def __str__(self) -> str:
        """Return the part as it is printed."""
        return f"{self.name} {self.text}" if self.name else self.text


ALWAYS = 100
_NAMES_ARE_SHORTENED_FROM = 80


class LineFitter:
    """Fits lines to a width, leaving out the same parts of each so that lines stay aligned."""

    def __init__(self) -> None:
        self._width = 0
        self._left_out: set[str] = set()

    def fit(self, parts: Sequence[LinePart], width: int) -> list[LinePart]:
        """Return the parts that fit.

        Args:
            parts: The parts in the order in which they are printed.
            width: The width of the terminal in cells.
        """
        # With another width, parts that were left out may fit again.
        if width != self._width:
            self._width, self._left_out = width, set()
        parts = [replace(part, name=printable_cell(part.name)) for part in parts if part.key not in self._left_out]
        named = [part for part in parts if part.worth >= _NAMES_ARE_SHORTENED_FROM]
        shortened = {part.key: part for part in _with_shorter_names(named, width_of(named) - width)}
        parts = [shortened.get(part.key, part) for part in parts]
        kept = _most_worth(parts, width)
        self._left_out |= {part.key for part in parts} - kept
        return [part for part in parts if part.key in kept]


def width_of(parts: Sequence[LinePart]) -> int:
    """Return the width of the parts in one line, in cells."""
    return cell_len(join(parts))


def join(parts: Sequence[LinePart]) -> str:
    """Return the parts as one line."""
    return _GAP.join(str(part) for part in parts if str(part))


def wrap_line(text: str, width: int, *, indent: int, is_command: bool = False) -> str:
    """Wrap a line that is too long for the terminal, between statements if they are short, else between words.

    Args:
        text: One line, with two or more spaces between statements.
        width: The width of the terminal in cells.
        indent: The indent of every line but the first. It is reduced for a word that needs the space.
        is_command: Whether a command follows the first word, which must stay on one line.

    Returns:
        One line or several. Long words and commands are never broken.
    """
    if cell_len(text) <= width:
        return text
    if is_command:
        subject, _, command = text.partition(" ")
        return f"{subject}\n{' ' * max(0, min(indent, width - cell_len(command.strip())))}{command.strip()}"
    if found := _COMMAND_AT_END.search(text):
        indented = " " * max(0, min(indent, width - cell_len(found[1]))) + found[1]
        return f"{wrap_line(text[: found.start()], width, indent=indent)}\n{indented}"
    lines: list[str] = []
    line = ""
    for gap, chunk in _CHUNK.findall(text):
        # A statement is broken only if it does not even fit on a line of its own.
        fits_alone = cell_len(chunk) <= width - indent
        for position, word in enumerate([chunk] if fits_alone else _WORD.findall(chunk)):
            space = gap if position == 0 else " "
            if not line.strip() or cell_len(line + space + word) <= width:
                line += (space if line.strip() or not lines else "") + word
            else:
                lines.append(line)
                line = " " * max(0, min(indent, width - cell_len(word))) + word
    return "\n".join([*lines, line])


def shorten(text: str, width: int) -> str:
    """Return the text, cut to at most `width` cells."""
    if cell_len(text) <= width:
        return text
    # Not a slice: a wide character takes two cells.
    while text and cell_len(text) + len(_CUT) > width:
        text = text[:-1]
    return text + _CUT if text else ""


def _most_worth(parts: Sequence[LinePart], width: int) -> set[str]:
    """Return the keys of the parts that fit, most valuable first; after one that does not fit, none of less worth."""
    kept: set[str] = set()
    # Every part is counted with a gap, but the line has one gap less than parts.
    room = width + len(_GAP)
    for worth, equals in groupby(sorted(parts, key=lambda part: -part.worth), key=lambda part: part.worth):
        is_full = False
        for part in equals:
            needed = cell_len(str(part)) + len(_GAP)
            if needed <= room or worth == ALWAYS:
                kept.add(part.key)
                room -= needed
            else:
                # The others of equal worth are still tried, since they may be shorter.
                is_full = True
        if is_full:
            break
    return kept


def _with_shorter_names(parts: Sequence[LinePart], too_wide: int) -> list[LinePart]:
    """Shorten the longest names, cell by cell, until the line fits or all names are short."""
    parts = list(parts)
    while too_wide > 0:
        longest = max(parts, key=lambda part: cell_len(part.name))
        before = cell_len(longest.name)
        if before <= _SHORTEST_NAME:
            break
        name = shorten(longest.name, before - 1)
        parts[parts.index(longest)] = replace(longest, name=name)
        too_wide -= before - cell_len(name)
    return parts
