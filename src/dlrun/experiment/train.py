"""A YAML file in, a trained and evaluated run folder out: the stages in their order, one call for each."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.experiment.record import (
    held_folder,
    interrupted,
    own_place,
    record_choices,
    record_outcome,
    record_progress,
    record_time,
    recorded,
    runs_option,
)
from dlrun.experiment.report import keep_predictions, reported
from dlrun.experiment.track import prepare_tracker, tracked
from dlrun.runs import RUNS_DIR
from dlrun.runs.compare.baseline import warn_of_naive
from dlrun.runs.compare.length import SpecLength, longer_command
from dlrun.runs.folder import RunFolder
from dlrun.spec.check import monitored
from dlrun.spec.parse import SpecFile, parse_given, read_spec
from dlrun.system.tensorflow_start import start_tensorflow
from dlrun.training.devices.cluster import ALONE, Cluster, read_cluster
from dlrun.training.progress.events import (
    Evaluated,
    Listener,
    Note,
    RunCreated,
    TimeSpent,
    TrainingDone,
    TrainingStarted,
    only_warnings,
    silent,
)
from dlrun.training.progress.timeline import Timeline
from dlrun.training.stop import Stop

if TYPE_CHECKING:
    from dlrun.training.plan import TrainingPlan
    from dlrun.training.setup import TrainingSetup

Scores = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Result:
    """What a training leaves.

    Args:
        folder: The run folder.
        scores: By split, of the final model.
        record: The content of run.json.
        is_chief: Whether this process has written the folder: of another worker's nothing is left.
    """

    folder: RunFolder
    scores: Scores
    record: Mapping[str, Any]
    is_chief: bool = True


def train(
    config: str | Path | Mapping[str, Any],
    *,
    overrides: tuple[str, ...] = (),
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
    began: float | None = None,
    trust_plugins: bool = False,
) -> Result:
    """Train the model that a YAML file, or a dict of the same keys, describes.

    Args:
        config: The file, or the dict.
        overrides: `key=value` each, as `--set` takes them.
        runs_dir: Where the run folder is made.
        listener: Called with every event.
        began: When the command began, by `time.perf_counter`: what `start` is counted from; None: now.
        trust_plugins: Whether to load the plugins of a run that was not made here, in whose folder the file lies.

    Raises:
        SpecError: The spec is wrong.
        DataError: The data is missing or wrong.
        RunError: The training failed; the run folder tells how far it came.
        Interrupted: The user stopped it.
    """
    timeline = Timeline(began)
    file = _read(config, overrides, trust_plugins=trust_plugins)
    return train_file(file, runs_dir=Path(runs_dir), listener=listener, timeline=timeline, cluster=read_cluster())


def train_file(
    file: SpecFile,
    *,
    runs_dir: Path,
    listener: Listener,
    timeline: Timeline | None = None,
    cluster: Cluster = ALONE,
) -> Result:
    """Train a spec that has been read, in a new run folder."""
    listener, timeline = listener if cluster.is_chief else silent, timeline or Timeline()
    prepare_tracker(file, wanted=cluster.is_chief)
    wants_report = file.spec.training.report and cluster.is_chief
    with own_place(runs_dir, cluster) as place, held_folder(file, place) as folder:
        stop = Stop()
        with (
            stop.listening(),
            tracked(file, folder, listener, wanted=cluster.is_chief) as listener,
            reported(folder, listener, wanted=wants_report, timeline=timeline),
            recorded(folder, stop),
            stop.recognised(),
        ):
            listener(RunCreated(folder.id, folder.path, folder.log_txt))
            if note := folder.read_record().signature_note:
                listener(Note("warning", note))
            start_tensorflow()
            from dlrun.data.inspection.quick import quick_warnings
            from dlrun.training.failures import worker_failures
            from dlrun.training.setup import assemble

            with worker_failures(cluster, folder.id):
                assembly = assemble(file, listener=listener, timeline=timeline, cluster=cluster)
                for said in quick_warnings(file.spec.dataset, assembly.dataset) if cluster.is_chief else ():
                    listener(Note("warning", said))
                scores = train_assembled(assembly, folder, stop=stop, listener=listener)
        return Result(folder, scores, folder.read_record().model_dump(mode="json"), is_chief=cluster.is_chief)


def train_assembled(
    assembly: TrainingSetup, folder: RunFolder, *, stop: Stop, listener: Listener, goes_on_from: RunFolder | None = None
) -> Scores:
    """Train to the end, score the final model, and record both.

    Args:
        assembly: Of the run's spec.
        folder: The run, locked.
        stop: What may end it early.
        listener: Called with every event.
        goes_on_from: The run whose newest checkpoint to begin with.

    Raises:
        Interrupted: The user stopped it; a checkpoint of the last step is written.
    """
    try:
        scores = _train_and_score(assembly, folder, stop=stop, listener=listener, goes_on_from=goes_on_from)
    finally:
        seconds = record_time(folder, assembly.timeline)
    listener(TimeSpent(seconds))
    for note in _advice(assembly, folder):
        listener(note)
    return scores


def _train_and_score(
    assembly: TrainingSetup, folder: RunFolder, *, stop: Stop, listener: Listener, goes_on_from: RunFolder | None
) -> Scores:
    from dlrun.training.loop import Trainer
    from dlrun.training.naive import find_baseline, kept_baseline, naive_scores
    from dlrun.training.restoring import read_newest, restore_model
    from dlrun.training.variables import weights_sha256

    timeline = assembly.timeline
    chosen = assembly.choose_steps()
    listener(Note("jit", f"{chosen.jit.value}: {chosen.jit.reason}"))
    record_choices(folder, assembly, jit=chosen.jit, environment=assembly.environment())
    trainer = Trainer(assembly.job(folder, chosen.steps), stop=stop, listener=listener)
    if goes_on_from is not None:
        restored = read_newest(assembly, goes_on_from, listener)
        found = restored.name if restored is not None else "none"
        assembly.team.check_alike("newest checkpoint", sha256(found.encode()).hexdigest())
        if restored is None:
            listener(Note("resume", "no checkpoint was written before the run ended: it begins anew"))
            folder.history.cut(0)
        else:
            trainer.restore(restored.checkpoint)
            listener(Note("resume", f"from {restored.name}, epoch {trainer.state.epoch + 1}"))
    listener(_started(assembly))
    if told := assembly.updates_told(assembly.length.steps):
        listener(Note("updates", told))
    try:
        end = trainer.train()
    finally:
        record_progress(folder, trainer.state)
    if end == "interrupted":
        raise interrupted(folder, signal=stop.signal)
    reason = trainer.state.stopped
    if end == "out of time":
        reason = f"training.max_minutes ({assembly.spec.training.max_minutes}) are over"
    if trainer.state.step < assembly.length.steps and (told := assembly.updates_told(trainer.state.step)):
        listener(Note("updates", told))
    listener(TrainingDone(reason, trainer.state.seconds, trainer.pace.data_wait))
    with timeline.spent("save"):
        weights = weights_sha256(assembly.compiled.model)
        if assembly.team.cluster.is_chief:
            restore_model(assembly.spec, assembly.compiled.model, folder, "final", silent)
        assembly.team.share_variables(assembly.compiled.model)
    with timeline.spent("evaluate"):
        splits = assembly.held_out_splits()
        scores = _evaluate(assembly, splits, listener)
        baseline = find_baseline(assembly)
        naive = {name: naive_scores(assembly, baseline, name) for name in splits} if baseline else {}
    folder.update_record(naive=naive, baseline=kept_baseline(baseline))
    record_outcome(folder, scores, weights_sha256=weights, reason=reason)
    if assembly.spec.training.report and assembly.team.cluster.is_chief:
        with timeline.spent("report"):
            keep_predictions(assembly, folder, splits)
    return scores


def _advice(assembly: TrainingSetup, folder: RunFolder) -> Iterator[Note]:
    """What the scores of a complete run suggest."""
    record, rows, spec = folder.read_record(), folder.read_metrics(), assembly.spec
    if said := warn_of_naive(record):
        yield Note("warning", said)
    resume = read_cluster().resume_command(folder.id) + runs_option(folder)
    length = SpecLength(spec.training.steps, is_fixed=spec.schedule.spans_training)
    if command := longer_command(record, rows, length, resume=resume, anew=f"dlrun train {folder.spec_yaml}"):
        yield Note("longer", f"the last epoch is the best so far, and more may be better: {command}")


def _read(config: str | Path | Mapping[str, Any], overrides: tuple[str, ...], *, trust_plugins: bool) -> SpecFile:
    if isinstance(config, Mapping):
        return parse_given(config, overrides)
    if not isinstance(config, str | os.PathLike):
        raise TypeError(f"the config is a {type(config).__name__}; expected the path of a YAML file, or a dict")
    return read_spec(Path(config), overrides, trust_plugins=trust_plugins)


def plan(
    config: str | Path | Mapping[str, Any],
    *,
    overrides: tuple[str, ...] = (),
    listener: Listener = silent,
    trust_plugins: bool = False,
) -> TrainingPlan:
    """Describe what `train` would train: layers, shapes, parameters, memory.

    Args:
        config: The file, or the dict.
        overrides: `key=value` each, as `--set` takes them.
        listener: Told the warnings.
        trust_plugins: Whether to load the plugins of a run that was not made here, in whose folder the file lies.

    Raises:
        SpecError: The spec is wrong.
        DataError: The data is missing or wrong.
    """
    file = _read(config, overrides, trust_plugins=trust_plugins)
    start_tensorflow()
    from dlrun.training.plan import make_plan
    from dlrun.training.setup import assemble

    return make_plan(assemble(file, listener=only_warnings(listener)))


def _started(assembly: TrainingSetup) -> TrainingStarted:
    examples = {name: len(split) for name, split in assembly.dataset.splits.items()}
    length = assembly.length
    monitor = monitored(assembly.spec, "auto", has_validation="validation" in examples)
    return TrainingStarted(assembly.compiled.model.count_params(), examples, length.epochs, length.steps, monitor)


def _evaluate(assembly: TrainingSetup, splits: Iterable[str], listener: Listener) -> dict[str, dict[str, float]]:
    scores = {}
    for split in splits:
        scores[split] = assembly.evaluator(split).scores()
        listener(Evaluated(split, scores[split]))
    return scores
