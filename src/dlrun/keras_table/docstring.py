"""Extract the first sentence and the descriptions of arguments from the docstring of a Keras class."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Collection, Iterator

_MOST_SENTENCES = 2
# Sentences to drop: Python types of optimizer arguments, and what the types and defaults of the table already state.
_CHATTER = re.compile(
    r"A float value or a constant float tensor\b.*|A float, a\b.*|A float, `keras.*|.*\bcallable that takes no.*"
    r"|Default(s to| value|s? is|:).*|Unset by default\.|None by default.*"
    r"|(A floating point|Floating point) value\.|A Python \w+\."
    r"|(optional )?(string|bool|boolean|int|integer|float)( value| or `?None`?)?(, defaults to .*|\.)",
    re.IGNORECASE | re.DOTALL,
)
_ABBREVIATIONS = ("e.g.", "i.e.", "ie.", "etc.", "vs.", "cf.", "al.")


def summary(docstring: str) -> str:
    """Return the first sentence of a docstring."""
    paragraph = inspect.cleandoc(docstring).split("\n\n", 1)[0]
    return next(_sentences(_fold(paragraph)), "")


def argument_descriptions(docstring: str, names: Collection[str]) -> dict[str, str]:
    """Return the description of each of `names` in the `Args:` section, without types and defaults.

    Args:
        docstring: Docstring of a Keras class.
        names: Names of the arguments of the class.
    """
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
    return {name: _shorten(_fold("\n".join(_before_list(lines)))) for name, lines in described.items()}


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


def _fold(text: str) -> str:
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


def _shorten(text: str) -> str:
    kept = [sentence for sentence in _sentences(text) if not _CHATTER.fullmatch(sentence)]
    return " ".join(kept[:_MOST_SENTENCES]).removeprefix("(Optional) ").rstrip(" :")
