"""An argument of Keras becomes a field that accepts what Keras accepts."""

from typing import Any

import pytest
from pydantic import ValidationError, create_model

from dlrun.keras_table.annotation import expectation, field_of
from dlrun.keras_table.table import Argument


def validated(argument: Argument, value: Any) -> Any:
    model: Any = create_model("Model", x=field_of(argument, lambda _: Any))
    return model(x=value).x


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        (Argument("a", "", ("int",), ge=1), "a whole number (at least 1)"),
        (Argument("a", "", ("number", "null"), gt=0, lt=1), "a number (more than 0 and less than 1) or null"),
        (Argument("a", "", ("choice",), choices=("same", "valid")), "one of same, valid"),
        (Argument("a", "", ("int", "ints", "null"), length=2), "a whole number, a list of 2 whole numbers or null"),
        (Argument("a", "", ("initializer",)), "the name of a Keras initializer"),
    ],
)
def test_the_accepted_values_are_described(argument: Argument, words: str) -> None:
    assert expectation(argument) == words


def test_bounds_and_lengths_are_checked_in_numbers_and_in_lists() -> None:
    whole = Argument("a", "", ("int", "ints"), ge=1, length=2)
    assert (validated(whole, 3), validated(whole, [3, 4])) == (3, (3, 4))
    for wrong in (0, [1], [1, 0], "x"):
        with pytest.raises(ValidationError):
            validated(whole, wrong)


def test_a_value_that_fits_none_of_several_types_is_one_error() -> None:
    with pytest.raises(ValidationError, match="a should be a whole number or a list of whole numbers") as caught:
        validated(Argument("a", "", ("int", "ints")), "x")
    assert caught.value.error_count() == 1


def test_infinity_is_refused() -> None:
    with pytest.raises(ValidationError):
        validated(Argument("a", "", ("number",)), float("inf"))
