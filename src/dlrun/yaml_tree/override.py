"""Apply `--set a.b.c=value` to a document before it is checked."""

from __future__ import annotations

from dataclasses import replace

from dlrun.errors import Problem, SpecError
from dlrun.yaml_tree.document import Node, Place
from dlrun.yaml_tree.source import parse_yaml

ORIGIN = "--set"


def apply_overrides(root: Node, overrides: tuple[str, ...]) -> list[Problem]:
    """Apply overrides to `root` in place, in order.

    Args:
        root: Root of the document.
        overrides: Overrides of the form `path.to.key=value`. The value is parsed as YAML. Items of a list are numbered
            from 0, and `*` means all of them.

    Returns:
        A problem for each override that is malformed, or whose path leads through a value without keys.
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
        raise SpecError(
            [place.problem("this is not an override", expected="key=value", hint="--set training.epochs=10")]
        )
    if not value.strip():
        hint = f"to set it to nothing: --set {path.strip()}=null"
        raise SpecError([place.problem(f"{path.strip()} has no value", expected="key=value", hint=hint)])
    # The value is always YAML, even for paths that contain ': ' or '#', so that --set and the file agree.
    leaf, problems = parse_yaml(value, origin=ORIGIN, column_offset=len(path) + 1, shown=override)
    put_value(root, path.strip(), leaf, place=place)
    return problems


def put_value(root: Node, path: str, leaf: Node, *, place: Place) -> None:
    """Put a value into a document, with the groups of keys above it if there are none.

    Args:
        root: Root of the document, which is changed.
        path: Keys with dots between them. Items of a list are numbered from 0, and `*` means all of them.
            A key that has dots in it is found, too.
        leaf: The value.
        place: Location of the path, for later problems.

    Raises:
        SpecError: The path leads through a value without keys, or beyond the end of a list.
    """
    _put_below(root, path.split("."), leaf, place=place, above="")


def _put_below(node: Node, keys: list[str], leaf: Node, *, place: Place, above: str) -> None:
    key, rest = _first_key(node, keys)
    for each in _meant(node, key):
        if rest:
            below = _step(node, each, place=place, above=above)
            _put_below(below, rest, leaf, place=place, above=f"{above}.{key}" if above else key)
        else:
            _put(node, each, replace(leaf), place=place, above=above)


def _first_key(node: Node, keys: list[str]) -> tuple[str, list[str]]:
    """Return the first key of a path, which may have dots in it as those of `search.space`, and the others."""
    for length in range(len(keys), 1, -1):
        if (joined := ".".join(keys[:length])) in node.entries:
            return joined, keys[length:]
    return keys[0], keys[1:]


def _meant(node: Node, key: str) -> list[str]:
    """Return the keys that a step of a path means: of a list, `*` means every item."""
    if key == "*" and isinstance(node.value, list):
        return [str(index) for index in range(len(node.value))]
    return [key]


def _step(node: Node, key: str, *, place: Place, above: str) -> Node:
    """Return the node at `key`; create it if it is missing, and expand it if it is a bare name."""
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
        node.value[key] = leaf.replacing(node.value.get(key))
        node.key_places[key] = place
        return
    index = _as_key(node, key)
    if not isinstance(node.value, list) or not isinstance(index, int):
        what = "a list" if isinstance(node.value, list) else f"{node.value!r}"
        expected = "the index of an item, from 0" if isinstance(node.value, list) else "a group of keys"
        raise SpecError([place.problem(f"{above or 'the spec'} is {what} and has no key {key!r}", expected=expected)])
    if index > len(node.value):
        raise SpecError([place.problem(f"{above} has {len(node.value)} items", expected=f"0 to {len(node.value)}")])
    node.value[index : index + 1] = [leaf.replacing(node.child(index))]


def _as_key(node: Node, key: str) -> str | int:
    return int(key) if isinstance(node.value, list) and key.isdecimal() else key
