"""Read `backbones.json`, the generated description of the networks in `keras.applications`."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Preprocessing = Literal["tf", "caffe", "torch", "inside"]
"""What a network expects of pixels from 0 to 255. tf: scaled to -1..1. caffe: blue, green, red, each without its mean.
torch: scaled to 0..1 and standardized. inside: the pixels themselves, as its own first layers scale them."""

BACKBONES_PATH = Path(__file__).with_name("backbones.json")


@dataclass(frozen=True)
class ImageNetFile:
    """A file with ImageNet weights that Keras publishes, without the classifier.

    Args:
        arguments: Arguments of the network that it belongs to, where they differ from the defaults.
        size: Side of square images that it was trained for, if Keras publishes one file for each; None otherwise.
        name: Name in the folder of Keras.
        url: Where Keras downloads it from.
        digest: Hash that Keras verifies it by, MD5 or SHA-256; empty if Keras publishes none.
    """

    arguments: Mapping[str, Any]
    size: int | None
    name: str
    url: str
    digest: str = ""


@dataclass(frozen=True)
class BackboneEntry:
    """A network of `keras.applications`.

    Args:
        name: Name in a spec, snake_case.
        function: Name in `keras.applications`.
        preprocessing: What it expects of pixels.
        arguments: Arguments that change the network without its classifier, with their defaults.
        smallest: Smallest side of an image in pixels.
        layers: Names of its layers, from input to output, without the classifier.
        files: ImageNet weights.
    """

    name: str
    function: str
    preprocessing: Preprocessing
    arguments: Mapping[str, Any]
    smallest: int
    layers: tuple[str, ...]
    files: tuple[ImageNetFile, ...]

    def imagenet_file(self, arguments: Mapping[str, Any], *, height: int, width: int) -> ImageNetFile | None:
        """Return the file that Keras would load; None if it publishes none for these arguments.

        Args:
            arguments: Arguments that differ from the defaults.
            height: Height of an image in pixels.
            width: Width of an image in pixels.
        """
        fitting = [file for file in self.files if dict(file.arguments) == dict(arguments)]
        exact = [file for file in fitting if file.size in (None, height if height == width else 0)]
        # For another size, Keras takes the weights of the largest one, 224.
        return next(iter(exact or sorted(fitting, key=lambda file: -(file.size or 0))), None)


def backbone_names() -> tuple[str, ...]:
    """Return the names of all backbones, sorted."""
    return tuple(_table()["backbones"])


@functools.cache
def find_backbone(name: str) -> BackboneEntry:
    """Return the backbone with this name.

    Raises:
        KeyError: There is no such backbone.
    """
    plain = _table()["backbones"][name]
    files = tuple(
        ImageNetFile(file["arguments"], file["size"], file["name"], file["url"], file["digest"])
        for file in plain["files"]
    )
    return BackboneEntry(
        name=name,
        function=plain["function"],
        preprocessing=plain["preprocessing"],
        arguments=plain["arguments"],
        smallest=plain["smallest"],
        layers=tuple(plain["layers"].split()),
        files=files,
    )


@functools.cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(BACKBONES_PATH.read_text(encoding="utf-8"))
    return table
