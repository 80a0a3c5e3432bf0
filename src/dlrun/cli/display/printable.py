"""Any text in, text that a terminal can be given out: what a run folder says of itself may be a stranger's."""

from __future__ import annotations

import unicodedata

_LONGEST_LINE = 4000
_LONGEST_CELL = 300
# Cc: control characters, escape sequences among them. Cf: invisible ones that turn the direction of writing. Cs: halves
# of characters, which no stream takes. Zl, Zp: line ends of their own.
_REFUSED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str) -> str:
    """Several lines as they may be printed: control characters written out, what is endless cut."""
    return "\n".join(_cut(_visible(line, "\t"), _LONGEST_LINE) for line in text.split("\n"))


def printable_cell(text: str) -> str:
    """The same for one cell of a table, or one fact of a page, which cannot pretend to be two."""
    return _cut(_visible(text, ""), _LONGEST_CELL)


def printable_text(text: str) -> str:
    """A value as a whole, in one line."""
    return _visible(text, "")


def _visible(text: str, allowed: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char in allowed or unicodedata.category(char) not in _REFUSED else ascii(char)[1:-1] for char in text
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest] + "..."
