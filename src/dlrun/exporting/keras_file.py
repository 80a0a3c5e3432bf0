"""A model in, one `.keras` file out, which plain Keras loads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.errors import RunError
from dlrun.exporting.description import ModelDescription, append_description

if TYPE_CHECKING:
    import keras


def write_keras(model: keras.Model, file: Path, description: ModelDescription) -> None:
    """Write a file for `keras.saving.load_model`; `description.json` and `labels.txt` are members of the archive.

    Raises:
        RunError: Something in it is not Keras' own.
    """
    foreign = foreign_layers(model)
    if foreign:
        raise RunError(
            f"the model has parts that Keras does not know: {', '.join(foreign)}",
            expected="layers, activations and the like of Keras alone, which load without the plugin",
            hint="--to savedmodel, --to onnx or --to tflite, which keep the computation and not the layers",
        )
    model.save(str(file))
    append_description(description, file)


def foreign_layers(model: keras.Model) -> list[str]:
    """The layers, and what else is in a model, that Keras does not have, as `name (class)`."""
    import keras

    try:
        serialized = keras.saving.serialize_keras_object(model)
    except (NotImplementedError, ValueError, TypeError) as error:  # a layer that does not tell its arguments
        return [str(error).strip().splitlines()[0]]
    return sorted(set(_foreign(serialized, inside=model.name)))


def _foreign(node: Any, *, inside: str) -> Iterator[str]:
    if isinstance(node, list | tuple):
        for each in node:
            yield from _foreign(each, inside=inside)
    if not isinstance(node, dict):
        return
    module, config = node.get("module"), node.get("config")
    told = node.get("name") or (config.get("name") if isinstance(config, dict) else None)
    name = told if isinstance(told, str) else inside
    if "class_name" in node and "registered_name" in node:
        made = node.get("registered_name") or ""
        if (module or "keras").partition(".")[0] not in ("keras", "builtins") or made.partition(">")[0] == "dlrun":
            yield f"{name} ({node['class_name']})"
    for each in node.values():
        yield from _foreign(each, inside=name)
