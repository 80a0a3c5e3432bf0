import subprocess
import sys

from dlrun.models import models


def test_importing_models_registers_every_architecture_without_numpy_or_tensorflow() -> None:
    program = (
        "import sys, dlrun.models as m; print(*m.models.names()); "
        "print(*{'numpy', 'keras', 'tensorflow', 'rich', 'typer'} & set(sys.modules))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    names, imported = output.split("\n")[:2]
    assert {"autoencoder", "cnn", "gru", "linear", "lstm", "mlp", "rnn"} <= set(names.split())
    assert imported == ""


def test_every_key_of_every_architecture_has_a_description() -> None:
    for name in models.names():
        component = models.find(name)
        assert component is not None
        missing = [key for key, field in component.model_fields.items() if not field.description]
        assert (name, missing) == (name, [])


def test_architecture_goes_to_plain_values_and_back() -> None:
    component = models.find("cnn")
    assert component is not None
    plain = component.model_validate({"blocks": ({"filters": 4, "kernel_size": (3, 1)},)}).plain()
    assert plain["type"] == "cnn"
    assert plain["blocks"] == [
        {
            "filters": 4,
            "kernel_size": [3, 1],
            "strides": 1,
            "padding": None,
            "pool_size": None,
            "activation": None,
            "batch_normalization": None,
            "dropout": None,
            "residual": False,
            "stochastic_depth": None,
        }
    ]
