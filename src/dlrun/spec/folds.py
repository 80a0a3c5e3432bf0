"""Parse the section `folds`, whose runs each have one part of the examples as validation split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dlrun.component import FieldProblem
from dlrun.data import Source
from dlrun.data.division.folds import Folds, FoldsError
from dlrun.errors import Problem, SpecError
from dlrun.spec.validate import shown, validate
from dlrun.yaml_tree.document import Node
from dlrun.yaml_tree.override import apply_overrides
from dlrun.yaml_tree.source import read_yaml

_SOME = Folds(count=2)
"""Stands for a section that is wrong, so that the other sections are checked as with a right one."""


def asks_for_folds(config: Path, overrides: Sequence[str]) -> bool:
    """Return whether a config has the section, without any check. A config that cannot be read has none."""
    try:
        document, _ = read_yaml(config)
    except SpecError:
        return False
    apply_overrides(document, tuple(overrides))
    node = document.child("folds")
    return node is not None and node.value is not None


def parse_folds(document: Node) -> tuple[Folds | None, list[Problem]]:
    """Parse the section; None if there is none. A number is short for `count`."""
    node = document.child("folds")
    if node is None or node.value is None:
        return None, []
    if type(node.value) is int:
        node = document.entries["folds"] = Node({"count": node}, node.place)
    elif not isinstance(node.value, dict):
        what = f"folds is {shown(node.plain())}"
        expected = "a number of folds, such as 5, or the keys count, repeats and seed"
        return _SOME, [document.place_of(("folds",)).problem(what, expected=expected)]
    made, problems = validate(node, Folds, where="folds")
    return made or _SOME, problems


def first_fold(dataset: Source, folds: Folds | None) -> Source:
    """Return the dataset of the first fold, which stands for all of them in checks."""
    return dataset if folds is None else dataset.with_fold(folds.folds[0])


def twice_problems(document: Node, dataset: Source, folds: Folds | None, *, search: bool) -> list[Problem]:
    """Return the problems of a spec that has folds and is one of them, or is searched, whose trials are single runs."""
    if folds is None:
        return []
    others = [name for name, is_set in (("dataset.fold", dataset.fold is not None), ("search", search)) if is_set]
    place = document.place_of(("folds",))
    return [place.problem(f"folds and {other} are both set", expected="only one of them") for other in others]


def as_of_section(problem: FieldProblem, folds: Folds | None) -> FieldProblem:
    """Return a problem of the key `dataset.fold`, which the section `folds` implies, as one of that section."""
    if folds is None or problem.path[:2] != ("dataset", "fold"):
        return problem
    return replace(problem, path=("folds", *problem.path[2:]))


def division_problem(document: Node, error: FoldsError) -> Problem:
    """Return the problem of examples that cannot be divided into so many folds."""
    path = ("folds", "count") if document.child("folds") is not None else ("dataset", "fold")
    return document.place_of(path).problem(error.what, expected=error.expected, hint=error.hint)
