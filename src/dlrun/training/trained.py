"""Load the trained model of a run folder, without the data that it was trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import keras

from dlrun.data.interface import Interface
from dlrun.data.text.input import TextInput
from dlrun.errors import RunError
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import read_interface
from dlrun.runs.record import Choice
from dlrun.spec.checks.check import check_model_takes
from dlrun.spec.types import Spec
from dlrun.training.compilation import TrainingLength, compile_model
from dlrun.training.devices.cluster import ALONE
from dlrun.training.devices.device import choose_device
from dlrun.training.failures import building_failures
from dlrun.training.predictor import Predictor
from dlrun.training.progress.events import Listener, Note
from dlrun.training.restoring import restore_model
from dlrun.training.step.cudnn import avoid_cudnn
from dlrun.training.step.replicas import make_replicas
from dlrun.training.streamed import StreamedScores


@dataclass(frozen=True)
class Trained:
    """A run's model, without the data that it was trained on.

    Args:
        folder: The run.
        spec: The spec that it was trained with.
        interface: The description of its input and output.
        core: The model with the variables of a checkpoint. It computes in float32, whatever precision it was trained
            in, and is compiled with the loss and metrics of the spec.
        checkpoint: The name of that checkpoint.
    """

    folder: RunFolder
    spec: Spec
    interface: Interface
    core: keras.Model
    checkpoint: str

    def preprocess(self) -> keras.Model:
        """Return the model that turns stored examples into features.

        Raises:
            RunError: The run's interface is damaged.
        """
        try:
            return self.interface.preprocess.build()
        except (ValueError, TypeError) as error:
            first_line = str(error).strip().splitlines()[0]
            raise RunError(f"{self.folder.interface_json} is damaged: preprocess: {first_line}") from error

    def predictor(self) -> Predictor:
        """Return a predictor for the model.

        Raises:
            RunError: The run's interface is damaged.
        """
        preprocess, batch_size = self.preprocess(), self.spec.training.evaluation_batch_size
        try:
            return Predictor(self.core, preprocess=preprocess, target=self.interface.target, batch_size=batch_size)
        except (ValueError, TypeError) as error:
            first_line = str(error).strip().splitlines()[0]
            raise RunError(f"{self.folder.interface_json} is damaged: {first_line}") from error

    def streamed_scores(self) -> StreamedScores:
        """Return an object that computes the spec's loss and metrics for examples that arrive in blocks."""
        return StreamedScores(
            self.core,
            preprocess=self.preprocess(),
            target=self.interface.target,
            batch_size=self.spec.training.evaluation_batch_size,
        )


def load_trained(
    folder: RunFolder, spec: Spec, *, checkpoint: str, listener: Listener, device: str = "auto"
) -> Trained:
    """Build the model of a run and load the variables of a checkpoint.

    Args:
        folder: The run.
        spec: The spec of the run.
        checkpoint: `final`, `last`, `best`, or a checkpoint's name.
        listener: Receives notes about the device and the checkpoint.
        device: One device, in the notation of `training.device`.

    Returns:
        The trained model.

    Raises:
        RunError: The run has no interface, the interface does not fit its model, or the checkpoint belongs to another
            model.
        UsageError: There is no such checkpoint, or no such device.
        CheckpointError: The checkpoint is damaged.
    """
    interface = read_interface(folder)
    for problem in check_model_takes(spec.model, interface.features, spec.dataset):
        raise RunError(
            f"{folder.interface_json} is damaged, or belongs to another run: {problem.what}",
            expected=problem.expected,
            hint=f"dlrun train {folder.spec_yaml} trains the model again",
        )
    training = spec.training.model_copy(update={"precision": "float32", "cpu_shares": 1, "device": device})
    plain = replace(spec, training=training)
    chosen = choose_device(device)
    listener(Note("device", f"{chosen.choice.value}: {chosen.choice.reason}"))
    replicas, whole = make_replicas(chosen, ALONE), Choice(value="1", reason="asked for")
    with building_failures():
        compiled = compile_model(
            plain, interface.features, interface.target, replicas=replicas, length=TrainingLength(1, 1), shares=whole
        )
    if chosen.is_gpu and not isinstance(interface.raw, TextInput):  # other token ids may be padded anywhere
        avoid_cudnn(compiled.model, (), are_tokens=False)
    restored = restore_model(plain, compiled.model, folder, checkpoint, listener)
    return Trained(folder, plain, interface, compiled.core, restored)
