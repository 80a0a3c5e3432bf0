"""The width of a terminal, and messages wrapped to it."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from dlrun.cli.display.printable import printable

_USUAL_WIDTH = 80
_SUBJECT = 11
"""The column where the text of a line begins, after its subject."""
_QUOTED = 4
"""A line with at least this indent quotes a file and is not wrapped, because a mark below it points into it."""


def width_of(stream: TextIO) -> int | None:
    """Return the width of a stream in cells; None if it is not a terminal."""
    if not stream.isatty():
        return None
    try:
        # Not shutil.get_terminal_size(), which asks stdout whatever the stream is.
        columns = int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return columns or _USUAL_WIDTH


def wrap(text: str, width: int | None, *, is_command: bool = False) -> str:
    """Wrap lines that begin with a subject, and indent continued lines to the text after it.

    Args:
        text: One line or several.
        width: The width in cells; None: nothing is wrapped.
        is_command: Whether the text is a command to copy, which must not be wrapped.
    """
    if width is None:
        return text
    from dlrun.cli.display.lines import wrap_line

    return "\n".join(wrap_line(line, width, indent=_SUBJECT, is_command=is_command) for line in text.split("\n"))


def tell(message: str) -> None:
    """Write a message to stderr, wrapped to the width of the terminal."""
    sys.stderr.write(wrapped_message(printable(message), width_of(sys.stderr)) + "\n")
    sys.stderr.flush()


def wrapped_message(message: str, width: int | None) -> str:
    """Wrap the lines of a message, and indent continued lines by two spaces.

    Args:
        message: The message. Lines that quote a file, indented by four spaces or more, are not wrapped.
        width: The width in cells; None: nothing is wrapped.
    """
    if width is None:
        return message
    from dlrun.cli.display.lines import wrap_line

    lines = []
    for line in message.split("\n"):
        indent = len(line) - len(line.lstrip(" "))
        lines.append(line if indent >= _QUOTED else wrap_line(line, width, indent=indent + 2))
    return "\n".join(lines)
