"""From a Keras docstring to its first sentence and what it says of each argument, as plain one-line text."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Collection, Iterator

_MOST_SENTENCES = 2
# Said of every optimizer argument, and of no use in a YAML file; and what types and defaults say already.
_CHATTER = re.compile(
    r"A float value or a constant float tensor\b.*|A float, a\b.*|A float, `keras.*|.*\bcallable that takes no.*"
    r"|Default(s to| value|s? is|:).*|Unset by default\.|None by default.*"
    r"|(A floating point|Floating point) value\.|A Python \w+\."
    r"|(optional )?(string|bool|boolean|int|integer|float)( value| or `?None`?)?(, defaults to .*|\.)",
    re.IGNORECASE | re.DOTALL,
)
_ABBREVIATIONS = ("e.g.", "i.e.", "ie.", "etc.", "vs.", "cf.", "al.")


def summary(docstring: str) -> str:
    """The first sentence."""
    paragraph = inspect.cleandoc(docstring).split("\n\n", 1)[0]
    return next(_sentences(_folded(paragraph)), "")


def argument_descriptions(docstring: str, names: Collection[str]) -> dict[str, str]:
    """What the `Args:` section says of each of `names`: the first sentences, without the type and the default."""
    described: dict[str, list[str]] = {}
    current: list[str] = []
    known = {*names, "name", "kwargs"}
    for line in _args_section(docstring):
        start = re.match(r"\s*\**(\w+(?:, ?\w+)*): ?(.*)", line)
        started = [name.strip() for name in start[1].split(",")] if start else []
        if start and known.issuperset(started):
            current = [start[2]]
            described.update((name, current) for name in started)
        else:
            current.append(line)
    return {name: _shortened(_folded("\n".join(_before_list(lines)))) for name, lines in described.items()}


def _args_section(docstring: str) -> Iterator[str]:
    outer = -1
    for line in docstring.expandtabs().splitlines():
        indent = len(line) - len(line.lstrip())
        if outer >= 0 and line.strip() and indent <= outer:
            return
        if outer >= 0:
            yield line
        elif line.strip() in {"Args:", "Arguments:"}:
            outer = indent


def _before_list(lines: list[str]) -> Iterator[str]:
    return itertools.takewhile(lambda line: not line.lstrip().startswith("- "), lines)


def _folded(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _sentences(text: str) -> Iterator[str]:
    sentence = ""
    for part in re.split(r"(?<=[.!?])\s+(?=[A-Z`\"(])", text):
        sentence = f"{sentence} {part}".strip()
        if not sentence.endswith(_ABBREVIATIONS):
            yield sentence
            sentence = ""
    if sentence:
        yield sentence


def _shortened(text: str) -> str:
    kept = [sentence for sentence in _sentences(text) if not _CHATTER.fullmatch(sentence)]
    return " ".join(kept[:_MOST_SENTENCES]).removeprefix("(Optional) ").rstrip(" :")
