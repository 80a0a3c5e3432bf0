"""A run folder in, its trained network out, without the data that it was trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import keras

from dlrun.data.interface import Interface
from dlrun.errors import RunError
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import read_interface
from dlrun.runs.record import Choice
from dlrun.spec.check import check_model_takes
from dlrun.spec.types import Spec
from dlrun.training.compilation import TrainingLength, compile_model
from dlrun.training.devices.cluster import ALONE
from dlrun.training.devices.device import choose_device
from dlrun.training.failures import building_failures
from dlrun.training.predictor import Predictor
from dlrun.training.progress.events import Listener, Note
from dlrun.training.restoring import restore_model
from dlrun.training.step.replicas import make_team
from dlrun.training.streamed import StreamedScores


@dataclass(frozen=True)
class Trained:
    """A run's model without the data that it was trained on.

    Args:
        folder: The run.
        spec: What was trained.
        interface: Its two ends.
        core: The network, with the variables of a checkpoint; it computes in float32, whatever it was trained in. It
            is compiled, with the loss and the metrics of the spec.
        checkpoint: Name of that checkpoint.
    """

    folder: RunFolder
    spec: Spec
    interface: Interface
    core: keras.Model
    checkpoint: str

    def preprocess(self) -> keras.Model:
        """What makes features of stored examples.

        Raises:
            RunError: The run's interface contradicts itself: it is damaged.
        """
        try:
            return self.interface.preprocess.build()
        except (ValueError, TypeError) as error:
            first_line = str(error).strip().splitlines()[0]
            raise RunError(f"{self.folder.interface_json} is damaged: preprocess: {first_line}") from error

    def predictor(self) -> Predictor:
        """What predicts with it.

        Raises:
            RunError: The run's interface contradicts itself: it is damaged.
        """
        preprocess, batch_size = self.preprocess(), self.spec.training.evaluation_batch_size
        try:
            return Predictor(self.core, preprocess=preprocess, target=self.interface.target, batch_size=batch_size)
        except (ValueError, TypeError) as error:
            first_line = str(error).strip().splitlines()[0]
            raise RunError(f"{self.folder.interface_json} is damaged: {first_line}") from error

    def streamed_scores(self) -> StreamedScores:
        """What gives the loss and the metrics of the spec for examples that come block by block."""
        return StreamedScores(
            self.core,
            preprocess=self.preprocess(),
            target=self.interface.target,
            batch_size=self.spec.training.evaluation_batch_size,
        )


def load_trained(
    folder: RunFolder, spec: Spec, *, checkpoint: str, listener: Listener, device: str = "auto"
) -> Trained:
    """Build the network of a run and give it the variables of a checkpoint.

    Args:
        folder: The run.
        spec: Its spec.
        checkpoint: `final`, `last`, `best`, or a checkpoint's name.
        listener: Told which device and which checkpoint it was.
        device: One device, as `training.device` has it.

    Raises:
        RunError: The run has no interface, or one that its model does not fit, or the checkpoint is not of this model.
        UsageError: There is no such checkpoint, or no such device.
        CheckpointError: It is damaged.
    """
    interface = read_interface(folder)
    for problem in check_model_takes(spec.model, interface.features, spec.dataset):
        raise RunError(
            f"{folder.interface_json} is damaged, or of another run: {problem.what}",
            expected=problem.expected,
            hint=f"dlrun train {folder.spec_yaml} trains the run again",
        )
    training = spec.training.model_copy(update={"precision": "float32", "cpu_shares": 1, "device": device})
    plain = replace(spec, training=training)
    chosen = choose_device(device)
    listener(Note("device", f"{chosen.choice.value}: {chosen.choice.reason}"))
    team, whole = make_team(chosen, ALONE), Choice(value="1", reason="asked for")
    with building_failures():
        compiled = compile_model(
            plain, interface.features, interface.target, team=team, length=TrainingLength(1, 1), shares=whole
        )
    restored = restore_model(plain, compiled.model, folder, checkpoint, listener)
    return Trained(folder, plain, interface, compiled.core, restored)
