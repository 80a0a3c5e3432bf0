"""What may stand in `${...}`, and that nothing in it is run as code."""

import pytest

from dlrun.yaml_tree.composition.expression import ExpressionError, Reference, split
from dlrun.yaml_tree.document import Scalar

VARIABLES: dict[str, Scalar] = {"width": 128, "rate": 0.5, "name": "x", "yes": True, "nothing": None}
ENVIRONMENT = {"DATA": "/data", "EMPTY": ""}


def value(text: str) -> Scalar:
    return Reference(text).value(VARIABLES.__getitem__, ENVIRONMENT.get)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("width", 128), ("name", "x"), ("yes", True), ("nothing", None),
        ("width // 2", 64), ("width / 2", 64.0), ("-width + 1", -127), ("2 ** 3 % 5", 3), ("(width + 2) * rate", 65.0),
        ("env:DATA", "/data"), ("env:DATA:-x", "/data"), ("env:NOPE:-./data", "./data"), ("env:NOPE:-", ""),
        ("env:EMPTY:-x", ""),
    ],
)  # fmt: skip
def test_values(text: str, expected: Scalar) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "text",
    [
        "", "width +", "env:", "env:NOPE", "env:A B", "width // 0", "name * 2", "yes + 1", "'a' + 'b'",
        "__import__('os')", "width.bit_length()", "[1, 2]", "width if 1 else 2", "1 < 2", "(lambda: 1)()", "f'{width}'",
        "10 ** 100", "(-8) ** 0.5", "9 ** 9 ** 9", "1e300 * 1e300", "2 ** 63", "x" * 400, "(" * 200, "width\n+\x00",
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        value(text)


def test_a_text_is_split_into_plain_parts_and_references() -> None:
    assert list(split("a${b}c$${d}$e")) == ["a", Reference("b"), "c${", "d}$e"]
    assert list(split("$ {a}")) == ["$ {a}"]
    with pytest.raises(ExpressionError, match="not closed"):
        list(split("a ${b"))


def test_the_names_in_an_expression_are_found_without_those_of_the_environment() -> None:
    assert Reference("a // b2 + 3").names() == {"a", "b2"}
    assert Reference("env:HOME").names() == frozenset()
