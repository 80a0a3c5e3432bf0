"""Write plain values and documents as YAML."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from dlrun.yaml_tree.document import Node

_PLAIN_TEXT = re.compile(r"[A-Za-z_][\w./-]*")
_OTHER_SCALARS = frozenset({"true", "false", "null"})
_COMMENT_COLUMN = 40


def yaml_text(value: Any) -> str:
    """Return a plain value as YAML in one line. Numbers are read back exactly."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{yaml_text(key)}: {yaml_text(below)}" for key, below in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(yaml_text, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN_TEXT.fullmatch(value) and value.lower() not in _OTHER_SCALARS:
        return value
    # A YAML reader takes \\u escapes one by one, and would not join the two of an emoji.
    return json.dumps(value, ensure_ascii=not value.isprintable())


def document_text(root: Node, *, comment: Callable[[Node], str] | None = None) -> str:
    """Return a document as YAML that is read back as the same document; `$${` stands for a plain `${`.

    Args:
        root: The document, a group of keys.
        comment: Returns the comment on a value.
    """
    return "\n".join(_lines(root, comment, indent="")) + "\n"


def _lines(group: Node, comment: Callable[[Node], str] | None, *, indent: str) -> Iterator[str]:
    for key, node in group.entries.items():
        head = f"{indent}{_literal(key)}:"
        if node.entries:
            yield head
            yield from _lines(node, comment, indent=f"{indent}  ")
        elif isinstance(node.value, list) and node.value and all(item.entries for item in node.value):
            yield head
            for item in node.value:
                yield _commented(f"{indent}  - {_literal(item.plain())}", item, comment)
        else:
            yield _commented(f"{head} {_literal(node.plain())}", node, comment)


def _literal(value: Any) -> str:
    return yaml_text(value).replace("${", "$${")


def _commented(line: str, node: Node, comment: Callable[[Node], str] | None) -> str:
    text = comment(node) if comment is not None else ""
    return f"{line:<{_COMMENT_COLUMN}}  # {text}" if text else line
