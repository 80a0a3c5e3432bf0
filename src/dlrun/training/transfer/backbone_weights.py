"""Give the backbone of a model the weights that its spec names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import keras

from dlrun.errors import UsageError
from dlrun.models.pretrained.backbone import backbone_in
from dlrun.models.pretrained.imagenet import fetch_imagenet, imagenet_file
from dlrun.models.pretrained.pretrained import Pretrained
from dlrun.signature import Features
from dlrun.training.transfer.assigning import assign_stored
from dlrun.training.transfer.parent import ParentRun, read_parent
from dlrun.training.transfer.weights_file import open_weights

_MOST_SHOWN = 4


@dataclass(frozen=True)
class LoadedWeights:
    """What a backbone has got.

    Args:
        path: The file.
        sha256: The sha256 of its content.
        taken: The paths of the variables.
    """

    path: Path
    sha256: str
    taken: tuple[str, ...]


def load_backbone(core: keras.Model, model: Pretrained, features: Features) -> LoadedWeights:
    """Assign ImageNet weights, or those of a file, to the backbone of a model.

    Args:
        core: The built model.
        model: Its description, whose weights are `imagenet` or a file.
        features: The features of the images.

    Returns:
        The file that was read.

    Raises:
        DataError: The file is missing, is not a file with weights, or does not fit the network.
    """
    named = model.files().get("weights")
    if named is not None:
        path = Path(named).expanduser()
    else:
        height, width, _ = features.shape
        path = fetch_imagenet(imagenet_file(model, height=height, width=width)).path
    with open_weights(path) as stored:
        taken = assign_stored(backbone_in(core), stored)
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return LoadedWeights(path, digest, taken)


def take_backbone(core: keras.Model, run: str, *, runs_dir: Path) -> tuple[ParentRun, tuple[str, ...]]:
    """Assign the weights of the same network in another run to the backbone of a model, all of them or none.

    Args:
        core: The built model.
        run: The id of the run, or its path.
        runs_dir: The folder of the runs.

    Returns:
        The run, and the paths of the variables.

    Raises:
        UsageError: There is no such run, or its network is another one.
    """
    parent, wanted = read_parent(run, runs_dir=runs_dir), {each.path: each for each in backbone_in(core).weights}
    wrong = []
    for path, variable in wanted.items():
        array = parent.variables.get(path)
        if array is None:
            wrong.append(f"it has no {path}")
        elif array.shape != tuple(variable.shape):
            wrong.append(f"{path} is {array.shape} instead of {tuple(variable.shape)}")
    if wrong:
        raise UsageError(
            f"the run {parent.record.id} does not have this network: {'; '.join(wrong[:_MOST_SHOWN])}",
            expected="a run with the same model.backbone and the same arguments",
            hint="initialize takes over what fits; --set model.weights=none with it",
        )
    for path, variable in wanted.items():
        variable.assign(parent.variables[path])
    return parent, tuple(wanted)
