"""What remains of a base when a config is merged over it."""

from typing import Any

import pytest

from dlrun.yaml_tree.composition.merge import merged
from dlrun.yaml_tree.document import Node
from dlrun.yaml_tree.source import parse_yaml


def tree(text: str, origin: str = "over.yaml") -> Node:
    return parse_yaml(text, origin=origin)[0]


@pytest.mark.parametrize(
    ("under", "over", "expected"),
    [
        ("a: {b: 1, c: 2}", "a: {c: 3, d: 4}", {"a": {"b": 1, "c": 3, "d": 4}}),
        ("a: [1, 2, 3]", "a: [4]", {"a": (4,)}),
        ("a: {b: 1}", "a: null", {"a": None}),
        ("a: null", "a: {b: 1}", {"a": {"b": 1}}),
        ("m: {type: cnn, blocks: [1]}", "m: {type: mlp, units: [2]}", {"m": {"type": "mlp", "units": (2,)}}),
        ("m: {type: mlp, units: [1]}", "m: {type: mlp, dropout: 0.1}",
         {"m": {"type": "mlp", "units": (1,), "dropout": 0.1}}),
        ("m: {type: mlp, units: [1]}", "m: {dropout: 0.1}", {"m": {"type": "mlp", "units": (1,), "dropout": 0.1}}),
        ("o: adam", "o: {learning_rate: 0.1}", {"o": {"type": "adam", "learning_rate": 0.1}}),
        ("o: adam", "o: {type: sgd, momentum: 0.9}", {"o": {"type": "sgd", "momentum": 0.9}}),
        ("o: {type: sgd, momentum: 0.9}", "o: adam", {"o": "adam"}),
    ],
)  # fmt: skip
def test_groups_merge_and_everything_else_replaces(under: str, over: str, expected: Any) -> None:
    assert merged(tree(under), tree(over)).plain() == expected


def test_values_stand_where_they_were_written_and_know_what_they_replaced() -> None:
    first = tree("t: {size: 1, epochs: 2}", "a.yaml")
    second = merged(first, tree("t: {size: 3}", "b.yaml"))
    found = merged(second, tree("t:\n  size: 4", "c.yaml")).at(("t", "size"))
    assert (found.place.origin, found.place.line, found.place.column) == ("c.yaml", 2, 9)
    assert [place.origin for place in found.over] == ["b.yaml", "a.yaml"]
    assert second.at(("t", "epochs")).place.origin == "a.yaml"


def test_neither_tree_is_changed() -> None:
    under, over = tree("a: {b: {c: 1}}"), tree("a: {b: {d: 2}}")
    found = merged(under, over)
    found.at(("a", "b")).entries["e"] = Node(3, found.place)
    assert under.plain() == {"a": {"b": {"c": 1}}}
    assert over.plain() == {"a": {"b": {"d": 2}}}
