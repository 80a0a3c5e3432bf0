"""Explain the syntax errors of the YAML parser in terms of what the user typed."""

from __future__ import annotations

import re
from collections.abc import Sequence

_KEY_WITHOUT_SPACE = re.compile(r"\s*-?\s*([A-Za-z_]\w*):([^\s:/\\].*)")
_KEY_AND_VALUE = re.compile(r"\s*[\w.-]+:\s+\S")
_SAME_COLUMN = "start the keys of a group in the same column, and indent the keys below another key"
_ALWAYS = {
    "found character '\\t'": ("YAML does not allow tabs as indentation", "use two spaces for each level"),
    "found unexpected end of stream": (
        "the quoted text that starts on line {opened} is not closed", "add the same quote at its end",
    ),
    "could not find expected ':'": ("this line is not a key with a value", "key: value, with a space after the colon"),
    "found unknown escape character": (
        "a backslash in double quotes starts a special character",
        "use single quotes around the value, or / instead of \\ in a path",
    ),
}  # fmt: skip
"""Messages of the parser that need no context: part of its text, the explanation, and a hint."""


def explain_syntax(what: str, lines: Sequence[str], line: int, opened: int) -> tuple[str, str]:
    """Return an explanation of a syntax error, and a hint.

    Args:
        what: Message of the parser.
        lines: Lines of the document.
        line: Index of the line where the parser stopped.
        opened: Index of the line where the group, list or quoted text starts.
    """
    before = next((number for number in range(line - 1, -1, -1) if lines[number].strip()), line)
    above, here = lines[before] if before < len(lines) else "", lines[line] if line < len(lines) else ""
    for words, (message, hint) in _ALWAYS.items():
        if words in what:
            return message.format(opened=opened + 1), hint
    if what.startswith("mapping values are not allowed"):
        return _second_colon(above, here, before)
    if "expected <block end>" in what:
        found = "a list item" if here.lstrip().startswith("-") else "this line"
        depth = len(here) - len(here.lstrip())
        return f"{found} is indented by {depth} spaces, unlike any line above", _SAME_COLUMN
    if what.startswith(("expected ',' or '}'", "expected ',' or ']'")):
        bracket = what[len("expected ',' or '")]
        message = f"the bracket that opens on line {opened + 1} is not closed, or a comma is missing"
        return message, f"put '{bracket}' at its end, and commas between its items"
    if what.startswith("found character") and "cannot start" in what:
        return (
            f"{what.removeprefix('found ').split(' that')[0]} cannot start a value",
            "put the value in quotes",
        )
    return what, ""


def _second_colon(above: str, here: str, before: int) -> tuple[str, str]:
    joined = _KEY_WITHOUT_SPACE.fullmatch(above)
    if joined is not None:
        return f"line {before + 1} has no space after its colon", f"{joined[1]}: {joined[2]}"
    if len(re.findall(r":(?:\s|$)", here)) > 1 and "{" not in here:
        return (
            "there are two colons on one line",
            "put a value with a colon in quotes, or put each key on a line of its own",
        )
    depth, depth_above = len(here) - len(here.lstrip()), len(above) - len(above.lstrip())
    if depth > depth_above and _KEY_AND_VALUE.match(above):
        message = f"this line is indented more than line {before + 1}, which already has a value"
        value = above.partition(":")[2].strip()
        begin = f"start it below line {before + 1}, in column {depth_above + 1}"
        return message, f"{begin}; or, if it belongs to that group, write 'type: {value}' on a line of its own above it"
    return "a key is not allowed here", _SAME_COLUMN
