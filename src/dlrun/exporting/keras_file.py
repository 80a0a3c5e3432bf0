"""Write a model as a `.keras` file that plain Keras loads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.errors import RunError
from dlrun.exporting.description import ModelDescription, append_description

if TYPE_CHECKING:
    import keras


def write_keras(model: keras.Model, file: Path, description: ModelDescription) -> None:
    """Write a file for `keras.saving.load_model`, with `description.json` and `labels.txt` in the archive.

    Args:
        model: The model.
        file: The path of the file.
        description: The inputs and outputs of the model.

    Raises:
        RunError: The model contains layers that are not Keras' own.
    """
    foreign = foreign_layers(model)
    if foreign:
        raise RunError(
            f"the model has parts that Keras does not know: {', '.join(foreign)}",
            expected="only layers, activations and other objects of Keras, which load without the plugin",
            hint="use --to savedmodel, --to onnx or --to tflite, which store the computation instead of the layers",
        )
    model.save(str(file))
    append_description(description, file)


def foreign_layers(model: keras.Model) -> list[str]:
    """Return the layers and other objects in a model that are not Keras' own, as `name (class)`."""
    import keras

    try:
        serialized = keras.saving.serialize_keras_object(model)
    except (NotImplementedError, ValueError, TypeError) as error:  # a layer without get_config()
        return [str(error).strip().splitlines()[0]]
    return sorted(set(_foreign(serialized, inside=model.name)))


def _foreign(node: Any, *, inside: str) -> Iterator[str]:
    if isinstance(node, list | tuple):
        for each in node:
            yield from _foreign(each, inside=inside)
    if not isinstance(node, dict):
        return
    module, config = node.get("module"), node.get("config")
    own_name = node.get("name") or (config.get("name") if isinstance(config, dict) else None)
    name = own_name if isinstance(own_name, str) else inside
    if "class_name" in node and "registered_name" in node:
        made = node.get("registered_name") or ""
        if (module or "keras").partition(".")[0] not in ("keras", "builtins") or made.partition(">")[0] == "dlrun":
            yield f"{name} ({node['class_name']})"
    for each in node.values():
        yield from _foreign(each, inside=name)
