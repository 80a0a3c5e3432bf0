"""Generate `backbones.json` from the installed Keras: the networks of `keras.applications` and their weights.

    python -m dlrun.keras_table.generate_backbones

Run it after an update of Keras; a test compares the file with its output. It builds every network, which takes minutes,
but downloads nothing.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dlrun.keras_table.backbones import BACKBONES_PATH, Preprocessing
from dlrun.system.keras_internals import fresh_names, requested_weights, unallocated

_ARGUMENTS = ("alpha", "depth_multiplier", "minimalistic")
"""Arguments that change a network without its classifier, besides those that dlrun sets itself."""

_PUBLISHED: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "MobileNet": {"alpha": (0.25, 0.5, 0.75, 1.0), "size": (128, 160, 192, 224)},
    "MobileNetV2": {"alpha": (0.35, 0.5, 0.75, 1.0, 1.3, 1.4), "size": (96, 128, 160, 192, 224)},
    "MobileNetV3Small": {"alpha": (0.75, 1.0), "minimalistic": (False, True)},
    "MobileNetV3Large": {"alpha": (0.75, 1.0), "minimalistic": (False, True)},
}
"""Values for which Keras publishes weights, if there are several files. A combination without a file is skipped."""

_SIDES = (32, 48, 64, 71, 75, 96, 128, 224)
"""Sides of images to try for the smallest one that a network accepts."""

_WORDS = {"NASNet": "Nasnet", "VGG": "Vgg", "Net": "net", "NeXt": "next", "XLarge": "Xlarge"}


def table() -> dict[str, Any]:
    """Return the whole table in plain JSON values."""
    import keras

    functions = (each for each in vars(keras.applications).values() if inspect.isfunction(each))
    entries = {backbone_name(each.__name__): plain_entry(each.__name__) for each in functions}
    return {
        "generated_from": f"Keras {keras.__version__}, Apache License 2.0",
        "backbones": dict(sorted(entries.items())),
    }


def text(table: Mapping[str, Any]) -> str:
    """Return the table as the text of its file, with one weights file per line for readable diffs."""
    lines = json.dumps(table, indent=1)
    return (
        re.sub(r"\{\n {5}\"arguments\"[^\]]*?\n {4}\}", lambda found: re.sub(r"\s*\n\s*", " ", found[0]), lines) + "\n"
    )


def backbone_name(function: str) -> str:
    """Return the name in a spec: `MobileNetV3Small` is `mobilenet_v3_small`, `ResNet50V2` is `resnet50_v2`."""
    for word, plain in _WORDS.items():
        function = function.replace(word, plain)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", function).lower()


def plain_entry(function: str) -> dict[str, Any]:
    """Return the entry of a network as JSON.

    Args:
        function: Its name in `keras.applications`.
    """
    parameters = signature(function)
    model, smallest = _smallest(function)
    return {
        "function": function,
        "preprocessing": preprocessing_of(function),
        "arguments": {name: parameters[name].default for name in _ARGUMENTS if name in parameters},
        "smallest": smallest,
        "files": list(_files(function)),
        "layers": " ".join(layer.name for layer in model.layers),
    }


def signature(function: str) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a network's function."""
    import keras

    return inspect.signature(getattr(keras.applications, function)).parameters


def preprocessing_of(function: str) -> Preprocessing:
    """Return what the network expects, from what Keras' `preprocess_input` makes of a pixel.

    Raises:
        ValueError: It is none of the known ways.
    """
    import keras

    module = importlib.import_module(getattr(keras.applications, function).__module__)
    pixel = np.array([[[[0.0, 100.0, 255.0]]]])
    made = np.asarray(module.preprocess_input(pixel.copy())).ravel()
    known: dict[Preprocessing, Any] = {
        "tf": pixel / 127.5 - 1,
        "caffe": pixel[..., ::-1] - [103.939, 116.779, 123.68],
        "torch": (pixel / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        "inside": pixel,
    }
    for name, expected in known.items():
        if np.allclose(made, expected.ravel()):
            return name
    raise ValueError(f"{function}: preprocess_input makes {made} of {pixel.ravel()}")


def build(function: str, **arguments: Any) -> Any:
    """Return a network without its classifier and without values of its weights."""
    import keras

    with fresh_names(), unallocated():
        return getattr(keras.applications, function)(include_top=False, **arguments)


def _smallest(function: str) -> tuple[Any, int]:
    """Return a network, and the smallest side of an image that it accepts."""
    for side in _SIDES:
        try:
            return build(function, weights=None, input_shape=(side, side, 3)), side
        except ValueError:
            continue
    raise ValueError(f"{function} accepts no image of {_SIDES[-1]} pixels")


def _files(function: str) -> Iterator[dict[str, Any]]:
    defaults, published = signature(function), dict(_PUBLISHED.get(function, {}))
    sizes = published.pop("size", (None,))
    for values in itertools.product(*published.values()):
        arguments = dict(zip(published, values, strict=True))
        for size in sizes:
            shape = {} if size is None else {"input_shape": (size, size, 3)}
            try:
                asked = requested_weights(lambda: build(function, weights="imagenet", **arguments, **shape))  # noqa: B023
            except ValueError:  # Keras publishes none
                continue
            yield {
                "arguments": {name: value for name, value in arguments.items() if value != defaults[name].default},
                "size": size,
                "name": asked["fname"],
                "url": asked["origin"],
                "digest": asked.get("file_hash") or asked.get("md5_hash") or "",
            }


if __name__ == "__main__":
    BACKBONES_PATH.write_text(text(table()), encoding="utf-8")
