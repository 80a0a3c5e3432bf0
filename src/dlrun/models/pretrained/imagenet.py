"""Find the ImageNet weights that Keras publishes in its folder, or download them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from dlrun.errors import DataError, UsageError
from dlrun.keras_table.backbones import ImageNetFile, backbone_names, find_backbone
from dlrun.models.pretrained.pretrained import Pretrained
from dlrun.names import nearest
from dlrun.system.network import find_unreachable

_DEFAULT_SIDE = 224
PREFIX = "weights:"
"""Begin of a name for `dlrun data fetch` that means weights."""


@dataclass(frozen=True)
class FetchedWeights:
    """A file with ImageNet weights on this machine.

    Args:
        path: The file.
        was_there: Whether it was there before.
    """

    path: Path
    was_there: bool


def keras_folder() -> Path:
    """Return the folder in which Keras keeps weights: `models` in KERAS_HOME, or else in ~/.keras."""
    return Path(os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()) / "models"


def imagenet_file(model: Pretrained, *, height: int | None, width: int | None) -> ImageNetFile:
    """Return the file that Keras publishes for a backbone.

    Args:
        model: A model for which Keras publishes weights.
        height: Height of the images; None if it is not known, for that of ImageNet.
        width: Their width.
    """
    sides = height or _DEFAULT_SIDE, width or _DEFAULT_SIDE
    found = model.entry.imagenet_file(model.arguments, height=sides[0], width=sides[1])
    if found is None:  # `Pretrained.problems` has refused it
        raise LookupError(model.backbone)
    return found


def fetch_imagenet(file: ImageNetFile) -> FetchedWeights:
    """Return the path of a file in the folder of Keras, after downloading it if it is not there.

    Args:
        file: The file.

    Raises:
        DataError: It is not there and cannot be downloaded, or it is not the file that Keras publishes.
    """
    path = keras_folder() / file.name
    if path.is_file():
        _check_digest(path, file)
        return FetchedWeights(path, was_there=True)
    if reason := find_unreachable([file.url]):
        raise _absent(file, path, reason)
    import keras

    try:
        keras.utils.get_file(file.name, file.url, cache_subdir="models", file_hash=file.digest or None)
    except (OSError, ValueError) as error:
        raise _absent(file, path, str(error).splitlines()[0]) from error
    return FetchedWeights(path, was_there=False)


def fetch_by_name(text: str) -> FetchedWeights:
    """Download the weights that a text such as `weights:mobilenet_v2,alpha=0.35,size=96` names.

    Args:
        text: The backbone, and its arguments where they differ from the defaults; `size` is the side of the images.

    Raises:
        UsageError: There is no such backbone, or no such weights.
        DataError: They cannot be downloaded.
    """
    name, *given = text.removeprefix(PREFIX).split(",")
    if name not in backbone_names():
        near = nearest(name, backbone_names())
        hint = f"did you mean {PREFIX}{near}?" if near else ""
        raise UsageError(f"there is no backbone {name!r}", expected="one of " + ", ".join(backbone_names()), hint=hint)
    entry, wanted = find_backbone(name), dict(part.partition("=")[::2] for part in given)
    side = wanted.pop("size", str(_DEFAULT_SIDE))
    possible = {_written(file.arguments): dict(file.arguments) for file in entry.files}
    asked = ",".join(f"{key}={value}" for key, value in sorted(wanted.items()))
    file = None
    if asked in possible and side.isdecimal():
        file = entry.imagenet_file(possible[asked], height=int(side), width=int(side))
    if file is None:
        choices = ", ".join(PREFIX + ",".join(filter(None, (name, arguments))) for arguments in possible)
        raise UsageError(f"Keras publishes no weights {text}", expected=f"one of {choices}; also with size=PIXELS")
    return fetch_imagenet(file)


def _written(arguments: object) -> str:
    pairs = dict(arguments).items() if isinstance(arguments, dict) else ()
    return ",".join(f"{key}={str(value).lower()}" for key, value in sorted(pairs))


def _check_digest(path: Path, file: ImageNetFile) -> None:
    """Check that a file is the one that Keras publishes, by the hash that Keras itself checks.

    Raises:
        DataError: It is another file, or a part of it.
    """
    if not file.digest:
        return
    kind = "sha256" if len(file.digest) == hashlib.sha256().digest_size * 2 else "md5"
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, kind).hexdigest()
    if digest != file.digest:
        raise DataError(
            f"{path} is not the file that Keras publishes: its {kind} is {digest}",
            expected=file.digest,
            hint=f"remove it; it is downloaded again from {file.url}",
        )


def _absent(file: ImageNetFile, path: Path, reason: str) -> DataError:
    return DataError(
        f"the ImageNet weights {file.name} are not in {path.parent}, and cannot be downloaded: {reason}",
        expected=f"the file {path}, from {file.url}",
        hint="download it on a machine with a network and copy it there; or name a file with --set model.weights=PATH; "
        "or train without: --set model.weights=none --set model.trainable=all",
    )
