import subprocess
import sys

import pytest

from dlrun.keras_table import (
    activation_names,
    entry_names,
    find_entry,
    short_names,
)
from dlrun.keras_table.table import GROUPS


def test_every_argument_is_described_and_typed() -> None:
    for group in GROUPS:
        for name in entry_names(group):
            entry = find_entry(group, name)
            assert entry.summary, name
            for argument in entry.arguments:
                assert argument.description, (name, argument.name)
                assert argument.types, (name, argument.name)


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


def test_importing_the_table_imports_neither_tensorflow_nor_numpy() -> None:
    code = (
        "import sys, dlrun.optimizers, dlrun.losses, dlrun.metrics, dlrun.schedules\n"
        "print(sorted({'tensorflow', 'keras', 'numpy', 'rich', 'typer'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed.strip() == "[]"
