"""A run folder in, its trained network out, without the data that it was trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import keras

from dlrun.data.interface import Interface, parse_interface
from dlrun.errors import RunError
from dlrun.files.disk import disk, explained
from dlrun.runs.folder import RunFolder
from dlrun.spec.types import Spec
from dlrun.training.cluster import ALONE
from dlrun.training.compilation import Length, compile_model
from dlrun.training.device import choose_device
from dlrun.training.failures import building_failures
from dlrun.training.predictor import Predictor
from dlrun.training.progress import Listener
from dlrun.training.restoring import restore_model
from dlrun.training.team import make_team

_LARGEST_INTERFACE_BYTES = 1 << 28  # vocabularies are in it


@dataclass(frozen=True)
class Trained:
    """A run's model without the data that it was trained on.

    Args:
        folder: The run.
        spec: What was trained.
        interface: Its two ends.
        core: The network, with the variables of a checkpoint; it computes in float32, whatever it was trained in.
    """

    folder: RunFolder
    spec: Spec
    interface: Interface
    core: keras.Model

    def predictor(self) -> Predictor:
        """What predicts with it."""
        preprocess = self.interface.preprocess.build()
        batch_size = self.spec.training.evaluation_batch_size
        return Predictor(self.core, preprocess=preprocess, target=self.interface.target, batch_size=batch_size)


def read_interface(folder: RunFolder) -> Interface:
    """What goes into a run's model and what comes out.

    Raises:
        RunError: The run has not come far enough to have one, or it is damaged.
    """
    if not folder.interface_json.exists():
        raise RunError(
            f"{folder.path} has no {folder.interface_json.name}",
            expected="a run that has begun to train",
            hint=f"dlrun resume {folder.id}",
        )
    with explained(f"read {folder.interface_json}"):
        text = disk.read_file(folder.interface_json, largest=_LARGEST_INTERFACE_BYTES)
    return parse_interface(text, origin=str(folder.interface_json))


def load_trained(folder: RunFolder, spec: Spec, *, checkpoint: str, listener: Listener) -> Trained:
    """Build the network of a run and give it the variables of a checkpoint.

    Args:
        folder: The run.
        spec: Its spec.
        checkpoint: `final`, `last`, `best`, or a checkpoint's name.
        listener: Told which checkpoint it was.

    Raises:
        RunError: The run has no interface, or the checkpoint is not of this model.
        UsageError: There is no such checkpoint.
        CheckpointError: It is damaged.
    """
    interface = read_interface(folder)
    training = spec.training.model_copy(update={"precision": "float32", "cpu_shares": 1, "device": "auto"})
    plain = replace(spec, training=training)
    team = make_team(choose_device("auto"), ALONE)
    with building_failures():
        compiled = compile_model(plain, interface.features, interface.target, team=team, length=Length(1, 1), shares=1)
    restore_model(plain, compiled.model, folder, checkpoint, listener)
    return Trained(folder, plain, interface, compiled.core)
