"""Variables in the values of a tree."""

from typing import Any

import pytest

from dlrun.yaml_tree.composition.variables import Resolution, names_used, resolve_variables
from dlrun.yaml_tree.document import Node
from dlrun.yaml_tree.source import parse_yaml

ENVIRONMENT = {"SIZE": "64", "DATA": "/data"}


def resolved(text: str, **more: Any) -> tuple[Node, Resolution]:
    root, problems = parse_yaml(text, origin="c.yaml")
    assert not problems
    return root, resolve_variables(root, environment=ENVIRONMENT.get, **more)


def test_a_whole_value_has_the_type_of_its_variable_and_a_part_becomes_text() -> None:
    root, found = resolved(
        "variables: {n: 3, r: 0.5, yes: true, none: null, half: '${n // 2}'}\n"
        "a: ['${n}', '${r}', '${yes}', '${none}', '${half}', 'n${n}/${r}${yes}', '${env:SIZE}', '${env:DATA}/x']\n"
        "b: '$${n} costs $5'"
    )
    assert not found.problems
    assert root.plain() == {"a": (3, 0.5, True, None, 1, "n3/0.5true", 64, "/data/x"), "b": "${n} costs $5"}
    assert found.variables == {"n": 3, "r": 0.5, "yes": True, "none": None, "half": 1}
    assert found.environment == {"SIZE": "64", "DATA": "/data"}
    assert root.at(("a", 0)).template == "${n}"


@pytest.mark.parametrize(
    ("text", "column", "what"),
    [
        ("variables: {n: 1, m: 2}\na: '${n}'", 19, "'m' is not used"),
        ("variables: {n: 1}\na: '${n}${k}'", 11, "no variable 'k'"),
        ("variables: {n: '${m}', m: '${n}'}\na: '${n}'", 30, "each other: n -> m -> n"),
        ("variables: {n: [1]}\na: '${n}'", 13, "not a single value"),
        ("variables: {1n: 1}\n", 13, "not the name of a variable"),
        ("variables: [n]\n", 12, "not a group"),
        ("a: 'x ${1 // 0}'", 7, "cannot be computed"),
        ("a: '${env:HOME_OF_NOBODY}'", 5, "HOME_OF_NOBODY is not set"),
    ],
)
def test_a_problem_points_at_the_reference(text: str, column: int, what: str) -> None:
    _, found = resolved(text)
    (problem, *_) = [each for each in found.problems if what in each.what]
    assert problem.column == column


def test_a_value_without_its_variable_is_one_problem_and_not_also_that_of_its_type() -> None:
    root, found = resolved("a: '${k}'")
    later = root.at(("a",)).place.problem("a is '${k}'", expected="a number")
    assert found.explains(later)
    assert not found.explains(root.place.problem("b"))


def test_variables_of_files_that_were_merged_count_as_used() -> None:
    root, _ = parse_yaml("a: '${n}'", origin="base.yaml")
    _, found = resolved("variables: {n: 1}\na: 2", used=frozenset(names_used(root)))
    assert not found.problems


def test_a_config_from_elsewhere_reads_nothing_from_the_environment() -> None:
    root, _ = parse_yaml("a: '${env:DATA:-x}'", origin="c.yaml")
    found = resolve_variables(root, environment=None)
    assert "made elsewhere" in found.problems[0].what
    assert not found.environment
