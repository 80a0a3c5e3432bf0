"""A class of Keras as a component, and as a layer of a model."""

from typing import Any

import pytest
from pydantic import ValidationError

from dlrun.keras_table import (
    LayerPart,
    component_class,
    entry_names,
    find_entry,
    parse_part,
)
from dlrun.keras_table.component import KerasPart, plain_part
from dlrun.keras_table.table import GROUPS


def problems(value: Any, group: Any = "layers") -> list[tuple[tuple[int | str, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        parse_part(group, value)
    return [(error["loc"], error["msg"]) for error in caught.value.errors()]


def test_every_entry_becomes_a_component_with_the_defaults_of_keras() -> None:
    for group in GROUPS:
        for name in entry_names(group):
            entry = find_entry(group, name)
            made = component_class(entry, LayerPart if group == "layers" else KerasPart)
            given = {argument.name for argument in entry.arguments if not argument.required}
            assert given <= made.model_fields.keys()
            assert made.type_name == name


def test_a_layer_is_a_name_or_a_name_with_arguments() -> None:
    assert (
        parse_part("layers", "Flatten")
        == parse_part("layers", {"Flatten": None})
        == parse_part("layers", {"Flatten": {}})
    )
    assert parse_part("layers", {"MaxPool2D": {"pool_size": 3}}).type_name == "MaxPooling2D"


@pytest.mark.parametrize(
    ("value", "place", "said"),
    [
        ("Conv2d", (), "there is no layer 'Conv2d'; did you mean 'Conv2D'?"),
        ({"Dens": {"units": 3}}, ("Dens",), "there is no layer 'Dens'; did you mean 'Dense'?"),
        ({"Lambda": {}}, ("Lambda",), "there is no layer 'Lambda' for specs: the one of Keras needs code"),
        ({"Dense": {"units": 3, "activatoin": "relu"}}, ("Dense", "activatoin"), "did you mean 'activation'?"),
        ({"Dense": {"units": 0}}, ("Dense", "units"), "units should be a whole number (at least 1)"),
        ({"Dense": {"units": True}}, ("Dense", "units"), "units should be a whole number"),
        ({"Dense": {"units": 3, "activation": "reluu"}}, ("Dense", "activation"), "did you mean 'relu'?"),
        ({"Dense": {"units": 3, "input_shape": (3,)}}, ("Dense", "input_shape"), "Input: {shape: [...]}"),
        ({"Dense": 3}, ("Dense",), "the arguments of Dense should be a group of keys"),
        (
            {"Conv2D": {"filters": 3, "kernel_size": (3, 3, 3)}},
            ("Conv2D", "kernel_size"),
            "kernel_size should be a whole number (at least 1) or a list of 2 whole numbers (at least 1)",
        ),
        (
            {"Dense": {"units": 3, "kernel_initializer": "he_norml"}},
            ("Dense", "kernel_initializer"),
            "there is no initializer 'he_norml'; did you mean 'he_normal'?",
        ),
        (
            {"Dense": {"units": 3, "kernel_initializer": {"type": "random_normal", "stdev": 1.0}}},
            ("Dense", "kernel_initializer", "stdev"),
            "random_normal has no argument 'stdev'; did you mean 'stddev'?",
        ),
        (
            {"Bidirectional": {"layer": {"LSTM": {"units": "many"}}}},
            ("Bidirectional", "layer", "LSTM", "units"),
            "units should be a whole number",
        ),
    ],
)
def test_a_mistake_in_a_layer_has_a_location_and_the_nearest_name(
    value: Any, place: tuple[str, ...], said: str
) -> None:
    ((found, message),) = problems(value)
    assert found == place
    assert said in message


def test_all_mistakes_in_a_layer_are_reported_at_once() -> None:
    found = dict(problems({"Conv2D": {"filtrs": 3, "kernel_size": 0}}))
    assert found.keys() == {("Conv2D", "filtrs"), ("Conv2D", "kernel_size")}
    assert dict(problems({"Conv2D": {"kernel_size": 0}})).keys() == {("Conv2D", "filters"), ("Conv2D", "kernel_size")}


def test_a_value_that_is_not_a_layer_is_refused() -> None:
    for value in (3, None, {"Dense": {"units": 3}, "Flatten": {}}, ("Dense",)):
        with pytest.raises(Exception, match="should be a layer"):
            parse_part("layers", value)


@pytest.mark.parametrize(
    "value",
    [
        "Flatten",
        {"Dense": {"units": 3}},
        {"Dense": {"units": 3, "kernel_regularizer": {"type": "l2", "l2": 0.5}, "kernel_initializer": "he_normal"}},
        {"Conv2D": {"filters": 8, "kernel_size": [3, 5], "name": "first", "trainable": False}},
        {"Bidirectional": {"layer": {"LSTM": {"units": 4}}, "merge_mode": "sum"}},
    ],
)
def test_a_layer_is_written_as_it_was_read(value: Any) -> None:
    as_parsed = parse_part("layers", tuples(value))
    assert plain_part(as_parsed) == value
    assert parse_part("layers", tuples(plain_part(as_parsed))) == as_parsed


def tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: tuples(item) for key, item in value.items()}
    return tuple(map(tuples, value)) if isinstance(value, list) else value
