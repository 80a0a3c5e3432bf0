"""Merge the tree of a config over that of its base."""

from __future__ import annotations

from dlrun.yaml_tree.document import Node


def merged(under: Node, over: Node) -> Node:
    """Return a tree with the keys of both, where those of the second win.

    Groups of keys merge; anything else, such as a list or null, replaces what was there. Two groups with different
    values of `type` have different keys, so the second one replaces the first. A bare name in the way, as in
    `optimizer: adam`, is the `type` of a group.

    Args:
        under: The base.
        over: What changes it. Both stay as they are.
    """
    if not isinstance(over.value, dict):
        return over.copy().replacing(under)
    below = under.as_group()
    if not isinstance(below.value, dict):
        return over.copy().replacing(under)
    if _type_of(over) not in (None, _type_of(below)):
        return _over_another_type(below, over)
    found = below.copy()
    for key, node in over.value.items():
        before = found.child(key)
        found.entries[key] = merged(before, node) if before is not None else node.copy()
        found.key_places[key] = over.key_places[key]
    return found


def _over_another_type(under: Node, over: Node) -> Node:
    """Return a group that replaces one of another type; its keys know what they stand for instead of."""
    found = over.copy()
    for key, node in found.entries.items():
        found.entries[key] = node.replacing(under.child(key))
    return found


def _type_of(group: Node) -> str | None:
    node = group.child("type")
    return str(node.value) if node is not None else None
