"""A Keras model in, a SavedModel folder out: what TensorFlow loads without Keras, and its converter starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.export.description import Description, write_description

if TYPE_CHECKING:
    import keras


def write_saved_model(model: keras.Model, folder: Path, description: Description) -> None:
    """Write a folder for `tf.saved_model.load`.

    Its signature `serving_default` takes any number of examples. `labels`, which takes nothing, gives the names of the
    outputs; they and the rest of the description are files under `assets.extra` too.
    """
    import tensorflow as tf

    names = list(description.labels)

    def labels() -> dict[str, Any]:
        return {"labels": tf.constant(names)}

    extra = {"labels": tf.function(labels, input_signature=[], autograph=False)} if names else {}
    specs = {name: tf.TensorSpec(tensor.shape, tensor.dtype, name=name) for name, tensor in model.input.items()}
    serve = tf.function(lambda inputs: model(inputs, training=False), input_signature=[specs], autograph=False)
    write_endpoints([model], folder, {"serve": serve, **extra})
    assets = folder / "assets.extra"
    assets.mkdir()
    write_description(description, assets)


def write_endpoints(parts: Sequence[keras.layers.Layer], folder: Path, endpoints: Mapping[str, Any]) -> None:
    """Write functions and the layers that they use; the first function is the `serving_default`."""
    import keras

    archive = keras.export.ExportArchive()
    for part in parts:
        archive.track(part)
    for name, function in endpoints.items():
        archive.add_endpoint(name, function)
    archive.write_out(str(folder), verbose=False)
