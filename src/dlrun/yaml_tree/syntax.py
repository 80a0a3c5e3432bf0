"""What a YAML parser complains of, in the words of someone who has typed it."""

from __future__ import annotations

import re
from collections.abc import Sequence

_KEY_WITHOUT_SPACE = re.compile(r"\s*-?\s*([A-Za-z_]\w*):([^\s:/\\].*)")
_KEY_AND_VALUE = re.compile(r"\s*[\w.-]+:\s+\S")
_SAME_COLUMN = "the keys of one group begin in the same column, and those below a key further in"
_ALWAYS = {
    "found character '\\t'": ("a tab cannot indent YAML; use spaces", "two spaces for each level"),
    "found unexpected end of stream": (
        "the quotation of line {opened} is not closed", "the same quotation mark at its end",
    ),
    "could not find expected ':'": ("a line that is not a key and a value", "key: value, with a space after the colon"),
    "found unknown escape character": (
        "a backslash in double quotes begins a special character",
        "single quotes around the value, or / in place of \\ in a path",
    ),
}  # fmt: skip
"""What means the same wherever it stands: some of the parser's words, what is wrong, and what to try."""


def explain_syntax(what: str, lines: Sequence[str], line: int, opened: int) -> tuple[str, str]:
    """Return what is wrong, and what to try.

    Args:
        what: The parser's own words.
        lines: The text.
        line: Number of the line where the parser gave up, from 0.
        opened: That of the line where the group, list or quotation begins that it was reading.
    """
    before = next((number for number in range(line - 1, -1, -1) if lines[number].strip()), line)
    above, here = lines[before] if before < len(lines) else "", lines[line] if line < len(lines) else ""
    for words, (said, hint) in _ALWAYS.items():
        if words in what:
            return said.format(opened=opened + 1), hint
    if what.startswith("mapping values are not allowed"):
        return _second_colon(above, here, before)
    if "expected <block end>" in what:
        found = "a list item" if here.lstrip().startswith("-") else "this line"
        depth = len(here) - len(here.lstrip())
        return f"{found} is indented by {depth}, which fits no line above", _SAME_COLUMN
    if what.startswith(("expected ',' or '}'", "expected ',' or ']'")):
        bracket = what[len("expected ',' or '")]
        said = f"the bracket of line {opened + 1} is not closed, or a comma is missing"
        return said, f"'{bracket}' at its end, and a comma between two of its parts"
    if what.startswith("found character") and "cannot start" in what:
        return (
            f"{what.removeprefix('found ').split(' that')[0]} cannot begin a value",
            "quotation marks around the value",
        )
    return what, ""


def _second_colon(above: str, here: str, before: int) -> tuple[str, str]:
    joined = _KEY_WITHOUT_SPACE.fullmatch(above)
    if joined is not None:
        return f"line {before + 1} has no space after its colon", f"{joined[1]}: {joined[2]}"
    if len(re.findall(r":(?:\s|$)", here)) > 1 and "{" not in here:
        return "two colons in one line", "quotation marks around a value that holds a colon, or a line for each key"
    depth, depth_above = len(here) - len(here.lstrip()), len(above) - len(above.lstrip())
    if depth > depth_above and _KEY_AND_VALUE.match(above):
        said = f"this line is indented further than line {before + 1}, which has a value already"
        value = above.partition(":")[2].strip()
        begin = f"begin it below line {before + 1}, in column {depth_above + 1}"
        return said, f"{begin}; or, if it belongs into that group, write 'type: {value}' on a line of its own above it"
    return "a key where none can be", _SAME_COLUMN
