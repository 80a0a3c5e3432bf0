"""`--set a.b.c=value`: change one key of a document before it is checked."""

from __future__ import annotations

from dlrun.errors import Problem, SpecError
from dlrun.yaml_tree.document import Node, Place
from dlrun.yaml_tree.source import parse_yaml

ORIGIN = "--set"


def apply_overrides(root: Node, overrides: tuple[str, ...]) -> list[Problem]:
    """Change `root` in place, one override after the other.

    Args:
        root: The document.
        overrides: `path.to.key=value` each; the value is read as YAML, a number in the path counts list items from 0.

    Returns:
        A problem for each override that is malformed, or whose path leads through something that has no keys.
    """
    problems: list[Problem] = []
    for override in overrides:
        try:
            problems += _apply(root, override)
        except SpecError as error:
            problems += error.problems
    return problems


def _apply(root: Node, override: str) -> list[Problem]:
    path, equals, value = override.partition("=")
    keys = path.strip().split(".")
    place = Place(ORIGIN, 1, 1, override)
    if not equals or not all(keys):
        raise SpecError([place.problem("not an override", expected="key=value", hint="--set training.epochs=10")])
    if not value.strip():
        hint = f"--set {path.strip()}=null, where nothing is meant"
        raise SpecError([place.problem(f"{path.strip()} is given no value", expected="key=value", hint=hint)])
    node = root
    for depth, key in enumerate(keys[:-1]):
        node = _step(node, key, place=place, above=".".join(keys[:depth]))
    # A path, as a name, may contain ': ' or a '#'; that is YAML too, so that --set and the file mean the same.
    leaf, problems = parse_yaml(value, origin=ORIGIN, column_offset=len(path) + 1, shown=override)
    _put(node, keys[-1], leaf, place=place, above=".".join(keys[:-1]))
    return problems


def _step(node: Node, key: str, *, place: Place, above: str) -> Node:
    """The node below `key`, made if it is not there, and opened if it is a bare name."""
    found = node.child(_as_key(node, key))
    if found is None or found.value is None:
        found = Node({}, place)
        _put(node, key, found, place=place, above=above)
    elif isinstance(found.value, str):
        found = found.as_group()
        _put(node, key, found, place=place, above=above)
    return found


def _put(node: Node, key: str, leaf: Node, *, place: Place, above: str) -> None:
    if isinstance(node.value, dict):
        node.value[key] = leaf
        node.key_places[key] = place
        return
    index = _as_key(node, key)
    if not isinstance(node.value, list) or not isinstance(index, int):
        what = "a list" if isinstance(node.value, list) else f"{node.value!r}"
        expected = "the number of an item, from 0" if isinstance(node.value, list) else "a group of keys"
        raise SpecError([place.problem(f"{above or 'the spec'} is {what}: it has no key {key!r}", expected=expected)])
    if index > len(node.value):
        raise SpecError([place.problem(f"{above} has {len(node.value)} items", expected=f"0 to {len(node.value)}")])
    node.value[index : index + 1] = [leaf]


def _as_key(node: Node, key: str) -> str | int:
    return int(key) if isinstance(node.value, list) and key.isdecimal() else key
