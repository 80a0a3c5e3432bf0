"""Parse the section `search`: its keys and its space, with every bound and every choice tried in the spec."""

from __future__ import annotations

from collections.abc import Iterator

from dlrun.errors import Problem
from dlrun.spec.checks.search.axis import Axis, parse_axis
from dlrun.spec.checks.search.searchable import key_problem, overlap_problems
from dlrun.spec.search.section import SearchKeys, SearchSection
from dlrun.spec.search.space import Parameter, Space
from dlrun.spec.validate import correct_keys, shown, validate
from dlrun.yaml_tree.document import Node, Place

MOST_KEYS = 200


def parse_search(document: Node) -> tuple[SearchSection | None, list[Problem]]:
    """Parse the section.

    Args:
        document: The whole spec, whose misspelled sections are already corrected.

    Returns:
        The section, None if there is none or its keys are wrong, and its problems. With problems, its space may lack
        keys.
    """
    node = document.child("search")
    if node is None or node.value is None:
        return None, []
    names = tuple(SearchKeys.model_fields)
    if not isinstance(node.value, dict):
        what = f"search is {shown(node.plain())}"
        return None, [document.place_of(("search",)).problem(what, expected=f"a group of keys: {', '.join(names)}")]
    # First, because the values of a misspelled `space` are to be checked too.
    problems = correct_keys(node, names, where="search")
    given = {key: below for key, below in node.entries.items() if key in names}
    parameters: list[Parameter] = []
    if (space := given.get("space")) is not None and space.entries:
        parameters, valid = _parse_space(document, _with_dots(space, problems), problems)
        # Its keys are checked now, with their own names; a range stands for them if all are wrong.
        given["space"] = Node(valid or {"": _some_range(space.place)}, space.place)
    keys, found = validate(Node(given, node.place, node.key_places), SearchKeys, where="search")
    return None if keys is None else SearchSection(keys, Space(tuple(parameters))), problems + found


def _parse_space(document: Node, space: Node, problems: list[Problem]) -> tuple[list[Parameter], dict[str, Node]]:
    """Return the parameters of a space, and those of its keys that are valid; add to `problems`."""
    if len(space.entries) > MOST_KEYS:
        what = f"search.space has {len(space.entries):,} keys"
        problems.append(document.place_of(("search", "space")).problem(what, expected=f"at most {MOST_KEYS}"))
        return [], {}
    problems += overlap_problems(space.key_places)
    parameters, valid = [], {}
    sections = [path.partition(".")[0] for path in space.entries]
    for path, node in space.entries.items():
        place = space.key_places[path]
        if (refused := key_problem(path, place)) is not None:
            problems.append(refused)
            continue
        is_alone = sections.count(path.partition(".")[0]) == 1
        below: list[Problem] = []
        label = f"search.space.{path}"
        parameter = parse_axis(Axis(label, path, path, node, place, document, is_alone), below)
        # Once each: a key that does not exist is a problem of both bounds.
        problems += dict.fromkeys(below)
        if parameter is not None and not below:
            parameters.append(parameter)
            valid[path] = node
    return parameters, valid


def _with_dots(space: Node, problems: list[Problem]) -> Node:
    """Return a space with dots instead of groups of keys, which `--set search.space.model.units=...` makes."""
    flat = Node({}, space.place)
    for key, node, place in _keys_in(space):
        if key in flat.entries:
            problems.append(place.problem(f"search.space has {key} twice", expected="each key once"))
        flat.entries[key], flat.key_places[key] = node, place
    return flat


def _keys_in(node: Node, above: str = "") -> Iterator[tuple[str, Node, Place]]:
    for key, below in node.entries.items():
        # A range has numbers and choices are a list, so a group of groups is neither.
        if below.entries and all(isinstance(each.value, dict) for each in below.children()):
            yield from _keys_in(below, f"{above}{key}.")
        else:
            yield f"{above}{key}", below, node.key_places[key]


def _some_range(place: Place) -> Node:
    return Node({"low": Node(0, place), "high": Node(1, place)}, place)
