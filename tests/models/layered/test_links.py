"""The order of a graph, its cycles, and the layers that its output needs."""

import pytest

from dlrun.models.layered.links import Links


def links(output: str, **inputs: str) -> Links:
    return Links({name: tuple(given.split()) for name, given in inputs.items()}, output, "x")


def test_a_layer_comes_after_its_inputs_and_else_as_in_the_list() -> None:
    assert links("c", a="x", b="x", c="a b").order == ("a", "b", "c")
    assert links("a", a="c b", b="x", c="b b").order == ("b", "c", "a")


def test_what_depends_on_a_cycle_has_no_place_in_the_order() -> None:
    assert links("d", a="x", b="a c", c="b", d="c").order == ("a",)


@pytest.mark.parametrize(
    ("graph", "cycles"),
    [
        (links("b", a="x", b="a"), []),
        (links("a", a="a"), [("a",)]),
        (links("d", a="x", b="a c", c="b", d="c"), [("c", "b")]),
        (links("c", a="c", b="a", c="b"), [("b", "c", "a")]),
        (links("d", a="b", b="a", c="d", d="c"), [("b", "a"), ("d", "c")]),
    ],
)
def test_each_cycle_is_found_once(graph: Links, cycles: list[tuple[str, ...]]) -> None:
    assert list(graph.cycles()) == cycles


def test_only_what_leads_to_the_output_is_needed() -> None:
    assert links("c", a="x", b="a", c="a", d="c").needed == {"a", "c"}


def test_a_long_chain_in_reverse_order_is_sorted_without_recursion() -> None:
    count = 20_000
    inputs = {str(number): (str(number - 1) if number else "x",) for number in reversed(range(count))}
    graph = Links(inputs, str(count - 1), "x")
    assert graph.order == tuple(map(str, range(count)))
    assert len(graph.needed) == count
    closed = Links({**inputs, "0": (str(count - 1),)}, str(count - 1), "x")
    (cycle,) = closed.cycles()
    assert len(cycle) == count
