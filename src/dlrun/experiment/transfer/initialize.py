"""Start a model from weights that were learned before, once, before its first step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.errors import UsageError
from dlrun.experiment.session import Session
from dlrun.models.pretrained.imagenet import fetch_imagenet, imagenet_file
from dlrun.models.pretrained.pretrained import Pretrained, RunWeights
from dlrun.runs.query.parent import find_parent
from dlrun.runs.record import RunRecord
from dlrun.runs.records.initialization import InitializationRecord
from dlrun.spec.parse import SpecFile
from dlrun.training.progress.events import Note

if TYPE_CHECKING:
    from dlrun.training.setup import TrainingSetup
    from dlrun.training.transfer.takeover import Takeover


def check_start(file: SpecFile, runs_dir: Path) -> None:
    """Check, before TensorFlow is imported and before there is a run folder, that the weights to start from are there.

    Args:
        file: The spec.
        runs_dir: The folder of the runs.

    Raises:
        UsageError: A run to start from is missing, or was not trained to its end.
        DataError: ImageNet weights are neither in the folder of Keras nor can they be downloaded.
    """
    spec, model = file.spec, file.spec.model
    if spec.initialize is not None:
        find_parent(spec.initialize.run, runs_dir=runs_dir)
    if not isinstance(model, Pretrained):
        return
    if isinstance(model.weights, RunWeights):
        find_parent(model.weights.run, runs_dir=runs_dir)
    elif model.weights == "imagenet" and spec.initialize is None:
        known = spec.dataset.describe()
        if known is not None and known.features.kind == "image":
            height, width, _ = known.features.shape
            fetch_imagenet(imagenet_file(model, height=height, width=width))


def parent_changes(record: RunRecord, runs_dir: Path) -> Iterator[str]:
    """Yield what has happened since to the runs that a run started from: a sentence each.

    Args:
        record: The content of its run.json.
        runs_dir: The folder of the runs.
    """
    for start in record.initialization:
        if start.source != "run":
            continue
        try:
            folder = find_parent(start.place, runs_dir=runs_dir)
        except UsageError:
            yield f"the run {start.place}, from which it started, is no longer in {runs_dir}"
            continue
        now = folder.read_record().weights_sha256
        if now != start.sha256:
            yield f"the run {start.place}, from which it started, has been trained since"


def initialize(setup: TrainingSetup, run: Session) -> None:
    """Give the model the weights that its spec names, and record which.

    Args:
        setup: The parts of a run whose model has its random weights.
        run: The run.

    Raises:
        DataError: A file is missing, or does not fit.
        UsageError: A run is missing, or does not fit; or this run began with other weights.
    """
    before = run.folder.read_record().initialization if run.cluster.is_chief else ()
    records: list[InitializationRecord] = []
    with setup.timeline.spent("build"):
        takeover = _planned(setup, run)
        core, model = setup.compiled.core, setup.spec.model
        # What an earlier run gives needs no file: that one may be on another machine by now.
        if isinstance(model, Pretrained) and not (takeover and takeover.covers(model.backbone_layers(core))):
            records += _backbone(setup, model, run)
        if takeover is not None:
            records.append(_taken_over(takeover, run))
    _refuse_others(before, records)
    if records and run.cluster.is_chief:
        run.folder.update_record(initialization=[record.model_dump() for record in records])


def _refuse_others(before: Sequence[InitializationRecord], now: Sequence[InitializationRecord]) -> None:
    """Refuse to begin a run again, before its first checkpoint, from other weights than it began with.

    Raises:
        UsageError: A file or a run has changed since.
    """
    for then, there in zip(before, now, strict=False):
        if then.sha256 != there.sha256:
            raise UsageError(
                f"{there.place} has changed since this run began: its sha256 is {there.sha256}",
                expected=f"{then.sha256}, as in run.json",
                hint="dlrun train makes a new run with the weights that are there now",
            )


def _planned(setup: TrainingSetup, run: Session) -> Takeover | None:
    """Compare the model with the run that the section `initialize` names, if there is one."""
    wanted = setup.spec.initialize
    if wanted is None:
        return None
    from dlrun.training.transfer.parent import read_parent
    from dlrun.training.transfer.takeover import plan_takeover

    parent = read_parent(wanted.run, runs_dir=run.folder.path.parent)
    return plan_takeover(setup.compiled.core, setup.spec.model, wanted, parent, setup.interface())


def _taken_over(takeover: Takeover, run: Session) -> InitializationRecord:
    takeover.assign()
    run.listener(Note("initialize", takeover.text()))
    record = takeover.parent.record
    return InitializationRecord(
        source="run",
        place=record.id,
        sha256=record.weights_sha256 or "",
        checkpoint=takeover.parent.checkpoint,
        taken=tuple(takeover.taken),
        left=takeover.left,
    )


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
