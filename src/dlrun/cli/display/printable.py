"""Makes text safe for a terminal. A run folder may come from a stranger, and its text may hold escape sequences."""

from __future__ import annotations

import unicodedata

_LONGEST_LINE = 4000
_LONGEST_CELL = 300
# Cc: control characters, such as escape. Cf: invisible characters, such as those that reverse the direction of text.
# Cs: lone surrogates, which cannot be encoded. Zl, Zp: line and paragraph separators.
_REFUSED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str) -> str:
    """Return lines that are safe to print: control characters escaped, very long lines cut."""
    # Not splitlines(): it also splits at characters such as U+2028, which have to be escaped.
    return "\n".join(_cut(_visible(line, "\t"), _LONGEST_LINE) for line in text.split("\n"))


def printable_cell(text: str) -> str:
    """Return one safe line for a table cell or fact, with line ends and tabs escaped too."""
    return _cut(_visible(text, ""), _LONGEST_CELL)


def printable_text(text: str) -> str:
    """Return a value as one safe line, without cutting it."""
    return _visible(text, "")


def _visible(text: str, allowed: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char in allowed or unicodedata.category(char) not in _REFUSED else ascii(char)[1:-1] for char in text
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest] + "..."
