"""Change values in the text of a YAML file; everything else, such as its comments, stays as the user wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from dlrun.yaml_tree.override import apply_overrides
from dlrun.yaml_tree.source import parse_yaml

Keys = Sequence[str]


class EditError(ValueError):
    """The text is written in a way that this module cannot change."""


def with_value(text: str, keys: Keys, value: str) -> str:
    """Return the text of a YAML file with another value at a path.

    Args:
        text: The file.
        keys: The path. Items of a list are numbered from 0. What is missing is added; a bare name in the way, such as
            `optimizer: adam`, becomes the `type` of a group.
        value: The value as YAML in one line.

    Raises:
        EditError: The path leads through a value without keys, or the file is written in an unusual way.
    """
    changed = _with_value(text, keys, value)
    expected, _ = parse_yaml(text, origin="")
    if apply_overrides(expected, (f"{'.'.join(keys)}={value}",)) or _plain(changed) != expected.plain():
        raise EditError(f"cannot change {'.'.join(keys)} and leave the rest of the file as it is")
    return changed


def without_key(text: str, key: str) -> str:
    """Return the text of a YAML file without one of its top-level keys, and without the comment right above that.

    Args:
        text: The file.
        key: The key; if it is missing, nothing changes.

    Raises:
        EditError: The file is written in an unusual way.
    """
    root = _root(text)
    pair = next((pair for pair in root.value if pair[0].value == key), None)
    if pair is None:
        return text
    expected = _plain(text)
    del expected[key]
    name, node = pair
    start = text.rfind("\n", 0, name.start_mark.index) + 1
    while start and text[text.rfind("\n", 0, start - 1) + 1 : start].lstrip().startswith("#"):
        start = text.rfind("\n", 0, start - 1) + 1
    end = _line_end(text, max(name.end_mark.index, _content_end(node)))
    while text[end:].startswith(" ") and text[end : _line_end(text, end)].lstrip().startswith("#"):
        end = _line_end(text, end)  # an indented comment belongs to the section above it
    head = text[:start].rstrip("\n")
    changed = (f"{head}\n" if head else "") + text[end:]
    if (_plain(changed) or {}) != expected:
        raise EditError(f"cannot remove {key} and leave the rest of the file as it is")
    return changed


def _line_end(text: str, index: int) -> int:
    """Return where the next line begins."""
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def _with_value(text: str, keys: Keys, value: str) -> str:
    node: Node = _root(text)
    owner: Node | None = None  # the key that `node` is the value of
    for depth, key in enumerate(keys):
        if isinstance(node, ScalarNode):
            inner = _grouped(keys[depth:], value)
            if node.value and node.tag.endswith(":str"):
                inner = f"type: {text[node.start_mark.index : node.end_mark.index]}, {inner}"
            elif not node.tag.endswith(":null"):
                raise EditError(f"{'.'.join(keys[:depth])} has no keys")
            return _replaced(text, owner, node, "{" + inner + "}")
        found = _child(node, key)
        if found is None:
            return _added(text, node, keys[depth:], value)
        owner, node = found
    return _replaced(text, owner, node, value)


def _child(node: Node, key: str) -> tuple[Node | None, Node] | None:
    if isinstance(node, MappingNode):
        return next(((name, value) for name, value in node.value if name.value == key), None)
    if isinstance(node, SequenceNode) and key.isdecimal() and int(key) < len(node.value):
        return None, node.value[int(key)]
    return None


def _replaced(text: str, owner: Node | None, node: Node, value: str) -> str:
    """Return the text with another value in the place of a node."""
    start, end = node.start_mark.index, _content_end(node)
    if isinstance(node, ScalarNode) and not node.value and start == end and owner is not None:
        start = end = text.index(":", owner.end_mark.index) + 1
        return f"{text[:start]} {value}{text[end:]}"
    if _is_block(node) and owner is not None:
        # The value begins on a line of its own; the new one follows its key.
        start = text.index(":", owner.end_mark.index) + 1
        return f"{text[:start]} {value}{text[end:]}"
    return text[:start] + value + text[end:]


def _added(text: str, node: Node, keys: Keys, value: str) -> str:
    """Return the text with another key in a group."""
    if not isinstance(node, MappingNode):
        raise EditError(f"there is no item {keys[0]}")
    entry = _grouped(keys, value)
    if not _is_block(node):
        end = node.end_mark.index - 1
        return f"{text[:end].rstrip()}{', ' if node.value else ''}{entry}{text[end:]}"
    column = node.value[0][0].start_mark.column
    end = text.find("\n", _content_end(node))
    head, tail = (text, "") if end < 0 else (text[:end], text[end:])
    return f"{head}\n{' ' * column}{entry}{tail}"


def _grouped(keys: Keys, value: str) -> str:
    """Return `a: {b: value}` for the keys a and b."""
    for key in reversed(keys[1:]):
        value = f"{{{key}: {value}}}"
    return f"{keys[0]}: {value}"


def _content_end(node: Node) -> int:
    """Return where a value ends, without the comments and empty lines that follow a block."""
    if not _is_block(node):
        return int(node.end_mark.index)
    return max(_content_end(below) for below in _below(node))


def _below(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for name, value in node.value:
            yield name
            yield value
    elif isinstance(node, SequenceNode):
        yield from node.value


def _is_block(node: Node) -> bool:
    return isinstance(node, MappingNode | SequenceNode) and not node.flow_style and bool(node.value)


def _root(text: str) -> MappingNode:
    # The pure Python loader: the marks of the one in C have no index.
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, MappingNode):
        raise EditError("the file is not a group of keys")
    return root


def _plain(text: str) -> dict[str, object]:
    plain = parse_yaml(text, origin="")[0].plain()
    return plain if isinstance(plain, dict) else {}
