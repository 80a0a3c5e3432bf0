"""The points of a space: how many there are, what they look like, and what they set in a spec."""

import math

import numpy as np
import pytest

from dlrun.spec.search.space import (
    Categorical,
    Number,
    Option,
    Space,
    overrides_of,
    point_key,
    shown_values,
)
from dlrun.yaml_tree.given import document_of
from dlrun.yaml_tree.override import apply_overrides
from dlrun.yaml_tree.text import yaml_text

RATE = Number("optimizer.learning_rate", "optimizer.learning_rate", 1e-4, 1e-1, log=True)
DROPOUT = Number("model[0].dropout", "model.dropout", 0.0, 0.5, step=0.1)
WIDTH = Number("model[0].layers.1.units", "model.layers.1.units", 2, 4, is_integer=True)
_DEEP = {"type": "sequential", "layers": ({"type": "flatten"}, {"type": "dense", "units": None}), "dropout": None}
MODEL = Categorical(
    "model",
    "model",
    (
        Option(_DEEP, "deep", (WIDTH, DROPOUT)),
        Option({"type": "linear"}, "linear"),
    ),
)
BATCH = Categorical("b", "training.batch_size", (Option(32, "32"), Option(64, "64")))


def test_a_space_has_as_many_points_as_are_enumerated_and_each_once() -> None:
    space = Space((BATCH, MODEL))
    points = list(space.points())
    assert space.size == len(points) == len({point_key(point) for point in points}) == 2 * (3 * 6 + 1)
    assert points[0] == {"b": 0, "model": 0, WIDTH.name: 2, DROPOUT.name: 0.0}
    assert points[1] == {**points[0], DROPOUT.name: 0.1}
    assert points[-1] == {"b": 1, "model": 1}
    assert [tuple(point) for point in points] == [tuple(each.name for each in space.active(point)) for point in points]


def test_one_continuous_number_anywhere_makes_a_space_infinite() -> None:
    inside = Categorical("m", "m", (Option({}, "x", (RATE,)), Option(1, "1")))
    assert Space((RATE, BATCH)).size is Space((inside,)).size is None
    with pytest.raises(ValueError, match="no limited number"):
        Space((inside,)).points()


def test_steps_are_decimal_and_end_at_the_bounds() -> None:
    assert [DROPOUT.at(index) for index in range(6)] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert {DROPOUT.from_unit(unit) for unit in np.linspace(0, 1, 600, endpoint=False)} == {
        DROPOUT.at(index) for index in range(6)
    }
    even = Number("n", "n", 2, 10, step=4, is_integer=True)
    assert [even.at(index) for index in range(even.size or 0)] == [2, 6, 10]
    assert all(type(even.from_unit(unit)) is int for unit in (0.0, 0.5, 0.999))


@pytest.mark.parametrize(
    "number",
    [
        RATE,
        Number("x", "x", -3.0, 5.0),
        Number("x", "x", 1.0, 1.0000001, log=True),
        Number("x", "x", 1e-300, 1e300, log=True),
        Number("x", "x", 1, 1000, log=True, is_integer=True),
        Number("x", "x", 16, 512, step=16, is_integer=True),
        DROPOUT,
    ],
)
def test_values_stay_between_the_bounds_and_find_their_way_back(number: Number) -> None:
    units = [*np.linspace(0, 1, 101)[:-1], math.nextafter(1, 0)]
    values = [number.from_unit(unit) for unit in units]
    assert values == sorted(values)
    assert number.low <= values[0] < values[-1] <= number.high
    for unit, value in zip(units, values, strict=True):
        assert number.contains(value)
        assert number.rounded(value) == value
        assert number.from_unit(number.to_unit(value) - 1e-13 * (value == number.high)) == value
        if number.size is None:
            assert number.to_unit(value) == pytest.approx(unit, abs=1e-5)


def test_equal_parts_of_a_logarithmic_scale_are_equally_likely() -> None:
    units = np.random.default_rng(0).random(3000)
    for number in (RATE, Number("n", "n", 20, 5000, log=True, is_integer=True)):
        low, high = math.log(number.low), math.log(number.high)
        places = [(math.log(number.from_unit(unit)) - low) / (high - low) for unit in units]
        assert np.quantile(places, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.05)


def test_drawn_numbers_have_six_digits_in_their_text() -> None:
    for unit in (0.1234567891, 0.987654321):
        assert len(f"{RATE.from_unit(unit):.20f}".strip("0.")) > len(repr(RATE.from_unit(unit)).strip("0."))
        assert float(f"{RATE.from_unit(unit):.7g}") == RATE.from_unit(unit)


def test_a_value_outside_between_steps_or_of_another_kind_is_not_contained() -> None:
    assert [RATE.contains(value) for value in (1e-4, 1e-1, 5e-5, 0.2, "0.01", True, None)] == [True, True] + [False] * 5
    assert [DROPOUT.contains(value) for value in (0, 0.3, 0.35, -0.1)] == [True, True, False, False]
    assert not WIDTH.contains(2.5)


def test_overrides_set_every_key_and_numbers_come_back_exactly() -> None:
    space = Space((RATE, MODEL, BATCH))
    point = {RATE.name: 0.000123456789012345678, "b": 1, "model": 0, WIDTH.name: 3, DROPOUT.name: 0.30000000000000004}
    document, _ = document_of({"model": "mlp", "training": {"epochs": 1}})
    assert apply_overrides(document, overrides_of(space, point)) == []
    assert document.plain() == {
        "model": {
            "type": "sequential",
            "layers": ({"type": "flatten"}, {"type": "dense", "units": 3}),
            "dropout": 0.30000000000000004,
        },
        "training": {"epochs": 1, "batch_size": 64},
        "optimizer": {"learning_rate": 0.000123456789012345678},
    }
    assert shown_values(space, point) == (
        ("optimizer.learning_rate", "0.0001235"),
        ("model", "deep"),
        ("model.layers.1.units", "3"),
        ("model.dropout", "0.3"),
        ("training.batch_size", "64"),
    )


def test_options_are_not_changed_by_the_points_made_of_them() -> None:
    before = repr(MODEL)
    overrides_of(Space((MODEL,)), {"model": 0, WIDTH.name: 3, DROPOUT.name: 0.1})
    assert repr(MODEL) == before


@pytest.mark.parametrize(
    "value",
    [
        1e-05,
        1e22, -0.0, 123456789012345678, float("inf"), float("-inf"), True, None, "true", "Null", "no", "1e-3", "",
        " a", "a: b", "a#b", 'quo"te', "línea\n2", "😀", "~", ".inf", "x.y/z-1", "[a]", "\x07", [1, [2.5, "a, b"]],
        {"a b": 1, "c": {"d": []}},
    ],
)  # fmt: skip
def test_the_yaml_text_of_a_value_is_read_back_as_that_value(value: object) -> None:
    document, _ = document_of({})
    assert apply_overrides(document, (f"key={yaml_text(value)}",)) == []
    again = document.plain()["key"]
    assert repr(again).replace("(", "[").replace(",)", "]").replace(")", "]") == repr(value)


def test_the_signature_is_plain_and_tells_spaces_apart() -> None:
    signature = Space((RATE, MODEL)).signature()
    assert signature[0] == {
        "name": RATE.name, "low": 1e-4, "high": 1e-1, "log": True, "step": None, "integer": False,
    }  # fmt: skip
    assert signature[1]["options"][0]["parameters"][0]["name"] == WIDTH.name
    assert Space((BATCH,)).signature() != Space((Categorical("b", "b", BATCH.options[::-1]),)).signature()
