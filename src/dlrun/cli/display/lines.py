"""Lines that fit a terminal: what is worth least is left out, and nothing is split inside a word."""

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
"""Matches a command in a sentence. Its arguments differ from the words after it: `x.yaml` has a dot, `RUN` capitals."""
_COMMAND_AT_END = re.compile(rf" (?<=: )({_COMMAND})$")
_WORD = re.compile(rf"{_COMMAND}|--[a-z]\S* \S+|\S+")
"""What a person may copy is one word: no line end is put into it."""
_CHUNK = re.compile(r"(\s*)(\S+(?: \S+)*)")


@dataclass(frozen=True)
class LinePart:
    """One statement of a line.

    Args:
        key: Which statement it is, from line to line.
        text: What is written; after `name`, if there is one.
        worth: The part of least worth is left out first; one of `ALWAYS` never.
        name: Of a score. It is shortened before a score of worth is left out.
        style: Of rich.
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
    """Fits one line after another, and leaves out the same parts of each: rows that lie below each other look alike."""

    def __init__(self) -> None:
        self._width = 0
        self._left_out: set[str] = set()

    def fit(self, parts: Sequence[LinePart], width: int) -> list[LinePart]:
        """Return the parts that fit.

        Args:
            parts: In the order in which they are printed.
            width: Cells of the terminal.
        """
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
    """Return how many cells the parts take in one line."""
    return cell_len(join(parts))


def join(parts: Sequence[LinePart]) -> str:
    """Return the parts as one line."""
    return _GAP.join(str(part) for part in parts if str(part))


def wrap_line(text: str, width: int, *, indent: int, is_command: bool = False) -> str:
    """Break a line where it is too long for a terminal, between statements if they are short, else between words.

    Args:
        text: One line; two spaces or more separate statements.
        width: Cells of the terminal.
        indent: Spaces before every line but the first; fewer before a word that needs the room.
        is_command: Whether a person may copy what comes after the first word: then it stays in one line.

    Returns:
        One line or several. A word that is longer than a line stays whole, and so does a command.
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
    """Return the text, with its end cut off if it takes more than `width` cells."""
    if cell_len(text) <= width:
        return text
    while text and cell_len(text) + len(_CUT) > width:
        text = text[:-1]
    return text + _CUT if text else ""


def _most_worth(parts: Sequence[LinePart], width: int) -> set[str]:
    """Return the keys of the parts that are kept: those of one worth as far as there is room, and then none of less."""
    kept: set[str] = set()
    room = width + len(_GAP)
    for worth, equals in groupby(sorted(parts, key=lambda part: -part.worth), key=lambda part: part.worth):
        is_full = False
        for part in equals:
            needed = cell_len(str(part)) + len(_GAP)
            if needed <= room or worth == ALWAYS:
                kept.add(part.key)
                room -= needed
            else:
                is_full = True
        if is_full:
            break
    return kept


def _with_shorter_names(parts: Sequence[LinePart], too_wide: int) -> list[LinePart]:
    """Return the parts with the longest names cut, cell by cell, until nothing is too wide or every name is short."""
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
