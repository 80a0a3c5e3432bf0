"""What well-known sets of tensorflow-datasets hold, for checking a spec before anything is downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dlrun.data.tfds.folder import SetName


@dataclass(frozen=True)
class KnownSet:
    """The shape of one example, the number of classes, and the size of each split."""

    shape: tuple[int, ...]
    num_classes: int
    examples: Mapping[str, int]


_GREY, _COLOUR = (28, 28, 1), (32, 32, 3)

_KNOWN = {
    "mnist": KnownSet(_GREY, 10, {"train": 60_000, "test": 10_000}),
    "fashion_mnist": KnownSet(_GREY, 10, {"train": 60_000, "test": 10_000}),
    "kmnist": KnownSet(_GREY, 10, {"train": 60_000, "test": 10_000}),
    "emnist/byclass": KnownSet(_GREY, 62, {"train": 697_932, "test": 116_323}),
    "emnist/bymerge": KnownSet(_GREY, 47, {"train": 697_932, "test": 116_323}),
    "emnist/balanced": KnownSet(_GREY, 47, {"train": 112_800, "test": 18_800}),
    "emnist/letters": KnownSet(_GREY, 37, {"train": 88_800, "test": 14_800}),
    "emnist/digits": KnownSet(_GREY, 10, {"train": 240_000, "test": 40_000}),
    "emnist/mnist": KnownSet(_GREY, 10, {"train": 60_000, "test": 10_000}),
    "cifar10": KnownSet(_COLOUR, 10, {"train": 50_000, "test": 10_000}),
    "cifar100": KnownSet(_COLOUR, 100, {"train": 50_000, "test": 10_000}),
    "svhn_cropped": KnownSet(_COLOUR, 10, {"train": 73_257, "test": 26_032, "extra": 531_131}),
    "stl10": KnownSet((96, 96, 3), 10, {"train": 5_000, "test": 8_000, "unlabelled": 100_000}),
    "iris": KnownSet((4,), 3, {"train": 150}),
}
_DEFAULT_CONFIGS = {"emnist": "byclass"}


def known_set(wanted: SetName) -> KnownSet | None:
    """What is known of a set by its name alone."""
    config = wanted.config or _DEFAULT_CONFIGS.get(wanted.name)
    return _KNOWN.get(f"{wanted.name}/{config}" if config else wanted.name)


def known_names() -> tuple[str, ...]:
    """The names of the sets known here."""
    return tuple(_KNOWN)
