"""Write a model as a SavedModel folder, which TensorFlow loads without Keras, and which its converter starts from."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.exporting.description import ModelDescription, write_description

if TYPE_CHECKING:
    import keras

    from dlrun.exporting.export_model import ExportModel


_OF_FILES = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO)


def write_saved_model(
    model: ExportModel,
    whole: keras.Model,
    parts: Sequence[keras.layers.Layer],
    folder: Path,
    description: ModelDescription,
) -> None:
    """Write a folder for `tf.saved_model.load`.

    Its signature `serving_default` takes any number of examples. The signature `labels` takes nothing and returns the
    names of the outputs. They are also in files in `assets.extra`, with the rest of the description.

    Args:
        model: The parts of the model.
        whole: The joined model.
        parts: The parts of it that have variables or tables.
        folder: The folder to write.
        description: The inputs and outputs of the model.
    """
    import tensorflow as tf

    names = list(description.labels)

    def labels() -> dict[str, Any]:
        return {"labels": tf.constant(names)}

    extra = {"labels": tf.function(labels, input_signature=[], autograph=False)} if names else {}
    taken = model.taken()
    specs = {name: tf.TensorSpec(taken[own].shape, taken[own].dtype, name=name) for name, own in model.inputs().items()}

    def serve(inputs: dict[str, Any]) -> Any:
        return whole(model.packed(inputs, tf.concat), training=False)

    function = tf.function(serve, input_signature=[specs], autograph=False)
    write_endpoints(parts, folder, {"serve": function, **extra})
    assets = folder / "assets.extra"
    assets.mkdir()
    write_description(description, assets)


def write_endpoints(parts: Sequence[keras.layers.Layer], folder: Path, endpoints: Mapping[str, Any]) -> None:
    """Write functions and the layers that they use; the first function is the `serving_default`.

    Args:
        parts: The layers.
        folder: The folder to write.
        endpoints: The functions by name.

    Raises:
        OSError: The folder cannot be written.
    """
    import keras

    archive = keras.export.ExportArchive()
    for part in parts:
        archive.track(part)
    for name, function in endpoints.items():
        archive.add_endpoint(name, function)
    with _errors_of_files():
        archive.write_out(str(folder), verbose=False)


@contextlib.contextmanager
def _errors_of_files() -> Iterator[None]:
    """Raise an OSError for TensorFlow's own errors of file operations, recognized by the system's words in them."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        for number in _OF_FILES:
            if os.strerror(number) in error.message:
                raise OSError(number, os.strerror(number)) from error
        raise
