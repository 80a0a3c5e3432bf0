import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from dlrun.keras_table import (
    LayerPart,
    activation_names,
    component_class,
    entry_names,
    find_entry,
    parse_part,
    short_names,
)
from dlrun.keras_table.component import KerasPart, plain_part
from dlrun.keras_table.table import GROUPS


def problems(value: Any, group: Any = "layers") -> list[tuple[tuple[int | str, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        parse_part(group, value)
    return [(error["loc"], error["msg"]) for error in caught.value.errors()]


def test_every_argument_is_described_and_typed() -> None:
    for group in GROUPS:
        for name in entry_names(group):
            entry = find_entry(group, name)
            assert entry.summary, name
            for argument in entry.arguments:
                assert argument.description, (name, argument.name)
                assert argument.types, (name, argument.name)


def test_every_entry_becomes_a_component_with_the_defaults_of_keras() -> None:
    for group in GROUPS:
        for name in entry_names(group):
            entry = find_entry(group, name)
            made = component_class(entry, LayerPart if group == "layers" else KerasPart)
            given = {argument.name for argument in entry.arguments if not argument.required}
            assert given <= made.model_fields.keys()
            assert made.type_name == name


@pytest.mark.parametrize(
    ("group", "short", "name"),
    [
        ("losses", "mse", "mean_squared_error"),
        ("loss", "bce", "binary_crossentropy"),
        ("metric", "mae", "mean_absolute_error"),
        ("layers", "MaxPool2D", "MaxPooling2D"),
        ("layers", "InputLayer", "Input"),
        ("initializers", "uniform", "random_uniform"),
        ("regularizers", "l1l2", "l1_l2"),
        ("optimizer", "schedulefreeadamw", "schedule_free_adamw"),
    ],
)
def test_keras_short_names_lead_to_the_full_ones(group: str, short: str, name: str) -> None:
    assert short_names(group)[short] == name


def test_a_kind_without_keras_classes_has_no_short_names() -> None:
    assert short_names("dataset") == {}


def test_classes_with_code_or_several_inputs_are_not_in_the_table() -> None:
    for name in ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "Pipeline", "RNN", "LSTMCell"):
        assert name not in entry_names("layers")
    for name in ("Add", "Concatenate", "StringLookup", "TextVectorization", "Wrapper", "Layer"):
        assert name not in entry_names("layers")


def test_activations_are_those_that_need_only_a_name() -> None:
    assert {"relu", "softmax", "gelu", "linear"} <= set(activation_names())
    assert "threshold" not in activation_names()


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


def test_importing_the_table_imports_neither_tensorflow_nor_numpy() -> None:
    code = (
        "import sys, dlrun.optimizers, dlrun.losses, dlrun.metrics, dlrun.schedules\n"
        "print(sorted({'tensorflow', 'keras', 'numpy', 'rich', 'typer'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed.strip() == "[]"
