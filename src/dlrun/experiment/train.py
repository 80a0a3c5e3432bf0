"""Train what a YAML file describes, in a new run folder: the stages in their order, one call each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.benchmark.at_start import measured
from dlrun.errors import Paused, UsageError
from dlrun.experiment.decision import decide
from dlrun.experiment.fold import keep_fold_predictions
from dlrun.experiment.intervals import keep_intervals
from dlrun.experiment.record import (
    interrupted,
    new_folder,
    record_choices,
    record_outcome,
    record_progress,
    record_time,
    runs_option,
)
from dlrun.experiment.report import keep_predictions
from dlrun.experiment.session import Scores, Session, TrainingResult, open_session
from dlrun.experiment.slices import SliceValues, collect_predictions, read_slice_values, slice_predictions, tell_gaps
from dlrun.experiment.track import prepare_tracker
from dlrun.experiment.transfer.initialize import check_start, initialize
from dlrun.experiment.trial import Trial, keep_costs
from dlrun.runs import RUNS_DIR
from dlrun.runs.compare.baseline import WHAT_TO_TRY, is_forecast
from dlrun.runs.compare.length import SpecLength, longer_command
from dlrun.runs.folder import RunFolder
from dlrun.spec.checks.check import monitored_metric
from dlrun.spec.parse import SpecFile, read_config
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
    silent,
)
from dlrun.training.progress.timeline import Timeline

if TYPE_CHECKING:
    from dlrun.training.checkpoints.choosing import Restored
    from dlrun.training.loop import Trainer
    from dlrun.training.setup import TrainingSetup


def train(
    config: str | Path | Mapping[str, Any],
    *,
    overrides: str | Sequence[str] = (),
    trust_plugins: bool = False,
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
    began: float | None = None,
) -> TrainingResult:
    """Train the model that a YAML file, or a dict of the same keys, describes.

    Args:
        config: The file, or the dict. Relative paths in a file start in its folder, those in a dict here.
        overrides: `key=value` each, as `--set` takes them.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere, if the
            config is in its folder.
        runs_dir: The folder to make the run folder in.
        listener: Called with every event.
        began: When the program began, by `time.perf_counter`, for the report of where the seconds went; None: now.

    Returns:
        The run folder, the scores of the final model, and the content of run.json.

    Raises:
        SpecError: The spec is wrong.
        DataError: The data is missing or wrong.
        RunError: The training failed; the run folder has what was trained until then.
        Interrupted: The user stopped it; `resume` goes on at the next step.
    """
    timeline = Timeline(began)
    file = read_config(config, overrides, trust_plugins=trust_plugins)
    return train_file(file, runs_dir=Path(runs_dir), listener=listener, timeline=timeline, cluster=read_cluster())


def train_file(
    file: SpecFile,
    *,
    runs_dir: Path,
    listener: Listener,
    timeline: Timeline | None = None,
    cluster: Cluster = ALONE,
    trial: Trial | None = None,
) -> TrainingResult:
    """Train a spec that has been read, in a new run folder.

    Args:
        file: The spec.
        runs_dir: The folder to make the run folder in.
        listener: Called with every event.
        timeline: Where the seconds go; None for a new one.
        cluster: The processes that train together.
        trial: The role of the run as a trial of a search; None for any other run.

    Raises:
        UsageError: The spec has folds, each of which is a run of its own.
        Paused: The search has paused the run.
    """
    if file.spec.folds is not None:
        runs = len(file.spec.folds.folds)
        what = f"{file.path} has folds, which are {runs} runs, but this trains a single one"
        raise UsageError(
            what, expected="a spec without folds", hint="the command dlrun train CONFIG trains all of them"
        )
    check_start(file, runs_dir)
    prepare_tracker(file, wanted=cluster.is_chief)
    file = measured(file, listener, cluster=cluster)
    folder = new_folder(file, runs_dir, cluster=cluster)
    timeline = timeline or Timeline()
    with open_session(folder, listener=listener, timeline=timeline, cluster=cluster, trial=trial) as session:
        with session.recording(file) as run:
            announce_run(run)
            warn_of_signature(run)
            tell_of_search(file, run)
            setup = assemble_run(file, run)
            warn_of_data(setup, run)
            scores = train_assembled(setup, run)
        return run.result(scores)


def announce_run(run: Session) -> None:
    """Say where the run is. From here on its log has everything that is printed."""
    run.listener(RunCreated(run.folder.id, run.folder.path, run.folder.log_txt))


def assemble_run(file: SpecFile, run: Session) -> TrainingSetup:
    """Start TensorFlow, load the data and build the model."""
    start_tensorflow()
    from dlrun.training.setup import assemble

    return assemble(file, listener=run.listener, timeline=run.timeline, cluster=run.cluster)


def warn_of_signature(run: Session) -> None:
    """Warn of a run that cannot be signed: later commands will take it for one that was made elsewhere."""
    if text := run.folder.read_record().signature_note:
        run.listener(Note("warning", text))


def tell_of_search(file: SpecFile, run: Session) -> None:
    """Say that the section `search` has no effect on a training."""
    if file.spec.search is not None and run.cluster.is_chief:
        config = file.path if file.text is None else "CONFIG"
        run.listener(Note("search", f"this trains the config as it is; dlrun search {config} varies its keys"))


def warn_of_data(setup: TrainingSetup, run: Session) -> None:
    """Warn of what a quick look at the data finds."""
    from dlrun.data.inspection.check import quick_warnings

    if run.cluster.is_chief:
        for text in quick_warnings(setup.spec.dataset, setup.dataset):
            run.listener(Note("warning", text))


def train_assembled(setup: TrainingSetup, run: Session, *, goes_on_from: RunFolder | None = None) -> Scores:
    """Train to the end, score the final model, and record both.

    Args:
        setup: The parts of the run.
        run: The run, recorded as running.
        goes_on_from: The run whose newest checkpoint to begin with.

    Raises:
        Interrupted: The user stopped it; a checkpoint of the last step is written.
        Paused: The search has paused it; the same holds.
    """
    scored = setup if run.trial is None else setup.without_test()
    try:
        restored = None if goes_on_from is None else find_newest(setup, goes_on_from, run)
        if restored is None:
            initialize(setup, run)
        else:
            from dlrun.training.restoring import assign_model

            # The steps are chosen with the weights that they will go on with: frozen ones may be computed ahead.
            assign_model(setup.compiled.model, restored.checkpoint)
        start_layers(setup, run)
        # Now and not at the end: the files are still those that the examples were read from, and a wrong name of a
        # column ends the run before it is trained.
        columns = read_slices(scored, run)
        trainer = choose_steps(setup, run)
        if goes_on_from is not None:
            restore_newest(trainer, restored)
        reason = train_to_end(trainer, setup, run)
        weights, final = restore_final(setup, run)
        scored = decide(scored, run, checkpoint=final)
        scores = score_final(scored, run, columns)
        if run.trial is not None and run.trial.costs:
            keep_costs(scored, run.folder)
        record_outcome(run.folder, scores, weights_sha256=weights, reason=reason)
        # Last, because a kill here then costs only the report, which `resume` completes.
        predict_for_report(scored, run)
    finally:
        seconds = record_time(run.folder, setup.timeline)
    run.listener(TimeSpent(seconds))
    if run.trial is None:  # a search expects that most of its trials are not good
        for note in _advice(setup, run.folder):
            run.listener(note)
    return scores


def start_layers(setup: TrainingSetup, run: Session) -> None:
    """Start the layers that the model names, if any, with weights that depend on the training split."""
    from dlrun.training.start.every_start import start_from_training_split

    for subject, text in start_from_training_split(setup):
        run.listener(Note(subject, text))


def choose_steps(setup: TrainingSetup, run: Session) -> Trainer:
    """Choose how the steps are compiled, record every choice, and make what trains."""
    from dlrun.training.loop import Trainer

    chosen = setup.choose_steps()
    run.listener(Note("jit", f"{chosen.jit.value}: {chosen.jit.reason}"))
    record_choices(run.folder, setup, jit=chosen.jit, environment=setup.environment())
    return Trainer(setup.job(run.folder, chosen.steps), stop=run.stop, listener=run.listener)


def find_newest(setup: TrainingSetup, folder: RunFolder, run: Session) -> Restored | None:
    """Read the newest sound checkpoint of a run; return None if none was written."""
    from dlrun.training.restoring import read_newest

    restored = read_newest(setup, folder, run.listener)
    # Each worker reads the checkpoints by itself: all of them have to find the same one sound.
    found = restored.name if restored is not None else "none"
    setup.replicas.check_alike("newest checkpoint", sha256(found.encode()).hexdigest())
    return restored


def restore_newest(trainer: Trainer, restored: Restored | None) -> None:
    """Go back to a checkpoint, or to the beginning if none was written."""
    if restored is None:
        trainer.listener(
            Note("resume", "no checkpoint was written before the run ended: training starts from the beginning")
        )
        # Rows without a checkpoint are dropped, because their epochs are trained, and written, again.
        trainer.job.folder.history.cut(0)
    else:
        trainer.restore(restored.checkpoint)
        trainer.listener(Note("resume", f"from {restored.name}, epoch {trainer.state.epoch + 1}"))


def train_to_end(trainer: Trainer, setup: TrainingSetup, run: Session) -> str:
    """Train, and record how far it came, however it ends.

    Returns:
        Why it ended before its full length; empty if it did not.

    Raises:
        Interrupted: The user stopped it.
        Paused: The search has paused it.
    """
    run.listener(_started(setup))
    if text := setup.describe_updates(setup.length.steps):
        run.listener(Note("updates", text))
    try:
        end = trainer.train()
    finally:
        record_progress(run.folder, trainer.state)
    if end == "interrupted":
        raise interrupted(run.folder, signal=run.stop.signal)
    if end == "paused" and run.trial is not None:
        text = run.trial.pause_text(trainer.state.epoch, epochs=setup.length.epochs)
        raise Paused(text, hint=f"dlrun resume {run.folder.id}{runs_option(run.folder)} trains it to its end")
    reason = trainer.state.stopped
    if end == "out of time":
        reason = f"training.max_minutes ({setup.spec.training.max_minutes}) have passed"
    # The first note was about the planned length, but the training ended earlier.
    if trainer.state.step < setup.length.steps and (text := setup.describe_updates(trainer.state.step)):
        run.listener(Note("updates", text))
    run.listener(TrainingDone(reason, trainer.state.seconds, trainer.pace.data_wait))
    return reason


def restore_final(setup: TrainingSetup, run: Session) -> tuple[str, str]:
    """Give the model the variables that the run is scored with.

    Returns:
        The SHA-256 of those that the last step left, which may be others: early stopping restores the best. And the
        name of the checkpoint that they come from; empty in other workers than the chief.
    """
    from dlrun.training.restoring import restore_model
    from dlrun.training.variables import weights_sha256

    model, restored = setup.compiled.model, ""
    with setup.timeline.spent("save"):
        weights = weights_sha256(model)
        # Only the chief has the checkpoints; the other workers get its variables.
        if run.cluster.is_chief:
            restored = restore_model(setup.spec, model, run.folder, "final", silent)
        setup.replicas.share_variables(model)
    return weights, restored


def score_final(setup: TrainingSetup, run: Session, columns: SliceValues) -> Scores:
    """Score the final model, and keep what follows from its predictions for the held-out splits.

    Args:
        setup: The parts of the run, with the final weights and the decision.
        run: The run.
        columns: The columns to group the examples of each split by.
    """
    scores = score_held_out(setup, run)
    keep_intervals(setup, run.folder)
    score_slices_of_splits(setup, run, columns)
    if run.cluster.is_chief:
        keep_fold_predictions(setup, run.folder)
    return scores


def score_held_out(setup: TrainingSetup, run: Session) -> dict[str, dict[str, float]]:
    """Score the final model on what it was not trained on, and a prediction without a model beside it."""
    from dlrun.training.naive import find_baseline, kept_baseline, naive_scores, weaker_scores

    splits = setup.held_out_splits()
    with setup.timeline.spent("evaluate"):
        scores = {}
        for split in splits:
            scores[split] = setup.evaluator(split).scores()
            run.listener(Evaluated(split, scores[split]))
        baseline = find_baseline(setup)
        naive = {split: naive_scores(setup, baseline, split) for split in splits} if baseline else {}
        if baseline and (weaker := weaker_scores(setup, splits)):
            baseline = baseline.model_copy(update={"weaker": weaker})
    run.folder.update_record(naive=naive, baseline=kept_baseline(baseline))
    return scores


def read_slices(setup: TrainingSetup, run: Session) -> SliceValues:
    """Read the columns of the spec to group held-out examples by.

    Raises:
        DataError: A file cannot be read, or lacks a column.
    """
    by = setup.spec.evaluation.by if run.cluster.is_chief else ()
    with setup.timeline.spent("data"):
        return read_slice_values(setup, by, setup.held_out_splits())


def score_slices_of_splits(setup: TrainingSetup, run: Session, columns: SliceValues) -> None:
    """Score the final model on groups of the held-out examples, and record the scores of each group."""
    if not columns:
        return
    found = {}
    with setup.timeline.spent("evaluate"):
        for split, values in columns.items():
            found[split] = slice_predictions(collect_predictions(setup, split), values, setup.spec)
            tell_gaps(split, found[split], run.listener)
    run.folder.update_record(slices=found)


def predict_for_report(setup: TrainingSetup, run: Session) -> None:
    """Keep the predictions that the report shows, if there is to be one."""
    if setup.spec.training.report and run.is_reported:
        with setup.timeline.spent("report"):
            keep_predictions(setup, run.folder, setup.held_out_splits())


def _advice(setup: TrainingSetup, folder: RunFolder) -> Iterator[Note]:
    """Yield notes on what the scores of a complete run suggest."""
    record, rows, spec = folder.read_record(), folder.read_metrics(), setup.spec
    if record.baseline and record.baseline.warning:
        yield Note("warning", record.baseline.warning)
        if is_forecast(record.baseline.method):
            yield Note("try", WHAT_TO_TRY)
    resume = read_cluster().resume_command(folder.id) + runs_option(folder)
    length = SpecLength(spec.training.steps, is_fixed=bool(spec.spanning_schedule()))
    # A model that is a least-squares solution is at its optimum, and longer training only moves it about.
    is_solved = spec.model.solved_layer() == "head"
    command = longer_command(record, rows, length, resume=resume, anew=f"dlrun train {folder.spec_yaml}")
    if command and not is_solved:
        yield Note("longer", f"the last epoch is the best so far, and training longer may improve it: {command}")


def _started(setup: TrainingSetup) -> TrainingStarted:
    examples = {name: len(split) for name, split in setup.dataset.splits.items()}
    length = setup.length
    monitor = monitored_metric(setup.spec, "auto", has_validation="validation" in examples)
    return TrainingStarted(setup.compiled.model.count_params(), examples, length.epochs, length.steps, monitor)
