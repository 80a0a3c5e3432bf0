"""What a stream shows: how wide it is, and text that fits it."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from dlrun.cli.display.printable import printable

_USUAL_WIDTH = 80
_SUBJECT = 11
"""Where the text of a line begins, after its subject."""
_QUOTED = 4
"""A line that begins with so many spaces is quoted from a file: a mark below it points at a place in it."""


def width_of(stream: TextIO) -> int | None:
    """Return the cells of a line of a stream; None where it is not a terminal."""
    if not stream.isatty():
        return None
    try:
        columns = int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return columns or _USUAL_WIDTH


def wrap(text: str, width: int | None, *, is_command: bool = False) -> str:
    """Return lines that begin with a subject, continued below its text where they are too long.

    Args:
        text: One line or several.
        width: Cells of a line; None: nothing is too long.
        is_command: Whether a person may copy it: then no line end is put into it.
    """
    if width is None:
        return text
    from dlrun.cli.display.lines import wrap_line

    return "\n".join(wrap_line(line, width, indent=_SUBJECT, is_command=is_command) for line in text.split("\n"))


def tell(message: str) -> None:
    """Write a message to stderr: on a terminal its lines end between words, and what is quoted stays as it is."""
    sys.stderr.write(wrapped_message(printable(message), width_of(sys.stderr)) + "\n")
    sys.stderr.flush()


def wrapped_message(message: str, width: int | None) -> str:
    """Return the lines of a message, continued a little to the right where they are too long.

    Args:
        message: As a person may read it.
        width: Cells of a line; None: nothing is too long.
    """
    if width is None:
        return message
    from dlrun.cli.display.lines import wrap_line

    lines = []
    for line in message.split("\n"):
        indent = len(line) - len(line.lstrip(" "))
        lines.append(line if indent >= _QUOTED else wrap_line(line, width, indent=indent + 2))
    return "\n".join(lines)
