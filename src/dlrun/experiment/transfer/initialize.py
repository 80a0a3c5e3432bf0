"""Start a model from weights that were learned before, once, before its first step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dlrun.experiment.session import Session
from dlrun.models.pretrained.pretrained import Pretrained, RunWeights
from dlrun.runs.records.initialization import InitializationRecord
from dlrun.training.progress.events import Note

if TYPE_CHECKING:
    from dlrun.training.setup import TrainingSetup


def initialize(setup: TrainingSetup, run: Session) -> None:
    """Give the model the weights that its spec names, and record which.

    Args:
        setup: The parts of a run whose model has its random weights.
        run: The run.

    Raises:
        DataError: A file is missing, or does not fit.
        UsageError: A run is missing, or does not fit.
    """
    records: list[InitializationRecord] = []
    with setup.timeline.spent("build"):
        if isinstance(setup.spec.model, Pretrained):
            records += _backbone(setup, setup.spec.model, run)
    if records and run.cluster.is_chief:
        run.folder.update_record(initialization=[record.model_dump() for record in records])


def _backbone(setup: TrainingSetup, model: Pretrained, run: Session) -> Sequence[InitializationRecord]:
    """Give the network of keras.applications its first weights."""
    from dlrun.training.transfer.backbone_weights import load_backbone, take_backbone

    if model.weights == "none":
        return ()
    core, features = setup.compiled.core, setup.dataset.features
    if isinstance(model.weights, RunWeights):
        parent, taken = take_backbone(core, model.weights.run, runs_dir=run.folder.path.parent)
        text = f"{len(taken)} arrays of {model.backbone} from the run {parent.record.id}"
        record = InitializationRecord(
            source="run",
            place=parent.record.id,
            sha256=parent.record.weights_sha256 or "",
            checkpoint=parent.checkpoint,
            taken=taken,
        )
    else:
        loaded = load_backbone(core, model, features)
        text = f"{len(loaded.taken)} arrays of {model.backbone} from {loaded.path}"
        record = InitializationRecord(
            source="file" if model.files() else "imagenet",
            place=str(loaded.path),
            sha256=loaded.sha256,
            taken=loaded.taken,
        )
    run.listener(Note("weights", text))
    return (record,)
