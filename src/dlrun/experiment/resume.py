"""Go on with a run that ended early, or make a complete one longer, in its own folder and to the bit.

A run that is trained to its end may still lack something: scores that a trial left out, predictions, its report. Here
it is completed, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.errors import DataError, RunError, SpecError, UsageError
from dlrun.experiment.decision import decide
from dlrun.experiment.fold import keep_fold_predictions
from dlrun.experiment.record import held_folder, new_folder, record_outcome
from dlrun.experiment.report import keep_predictions, reporting
from dlrun.experiment.session import Session, TrainingResult, open_session
from dlrun.experiment.track import prepare_tracker
from dlrun.experiment.train import announce_run, assemble_run, read_slices, score_final, train_assembled
from dlrun.experiment.transfer.initialize import parent_changes
from dlrun.experiment.trial import Trial
from dlrun.runs import RUNS_DIR
from dlrun.runs.fold_predictions import has_fold_predictions
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import data_changes, read_decision
from dlrun.runs.predictions import has_predictions
from dlrun.runs.provenance.environment import differences, is_of_machine
from dlrun.runs.query.catalog import find_run
from dlrun.runs.record import DatasetRecord, RunRecord
from dlrun.runs.removal import refuse_removed
from dlrun.spec.changes import refused_changes
from dlrun.spec.parse import SpecFile, override_list
from dlrun.spec.sharing.kept import config_changes
from dlrun.spec.stored import read_stored_spec
from dlrun.system.disk import disk
from dlrun.system.tensorflow_start import start_tensorflow
from dlrun.training.devices.cluster import ALONE, read_cluster
from dlrun.training.progress.events import Listener, Note, only_warnings, silent
from dlrun.training.progress.timeline import Timeline

if TYPE_CHECKING:
    from dlrun.training.setup import TrainingSetup


def resume(  # noqa: PLR0913  an option each, by keyword
    run: str | Path,
    *,
    overrides: str | Sequence[str] = (),
    allow_changes: bool = False,
    trust_plugins: bool = False,
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
    began: float | None = None,
) -> TrainingResult:
    """Go on with a run from its newest sound checkpoint, at the very next step.

    The result is bit-identical to that of a run that was never interrupted, on the same machine.

    Args:
        run: The run: an id, a part of one, a path, `last`, or `best:KEY`.
        overrides: `key=value` each: `training.epochs=20` makes a run longer. What training depends on cannot change.
        allow_changes: Whether to go on although the environment has changed. run.json then says that it is not exact.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere.
        runs_dir: The folder to look for runs in.
        listener: Called with every event.
        began: When the program began, by `time.perf_counter`, for the report of where the seconds went; None: now.

    Returns:
        The run folder, the scores of the final model, and the content of run.json.

    Raises:
        SpecError: A key cannot change any more.
        UsageError: The run, or its environment, is not what it was.
        RunError: Another process holds the run, or no checkpoint can be used.
        Interrupted: The user stopped it again.
    """
    options = ResumeOptions(override_list(overrides), allow_changes, trust_plugins)
    return resume_run(find_run(str(run), runs_dir=Path(runs_dir)), options, listener=listener, timeline=Timeline(began))


@dataclass(frozen=True)
class ResumeOptions:
    """How to go on with a run; see `resume`. `allow_other_machine` allows a change of the machine, but no other."""

    overrides: tuple[str, ...] = ()
    allow_changes: bool = False
    trust_plugins: bool = False
    allow_other_machine: bool = False


def resume_run(
    folder: RunFolder, options: ResumeOptions, *, listener: Listener, timeline: Timeline, trial: Trial | None = None
) -> TrainingResult:
    """Go on with a run that has been found.

    Args:
        folder: The run.
        options: How to go on with it.
        listener: Called with every event.
        timeline: Where the seconds go.
        trial: Its role as a trial of a search; None to train it to its end, and to score it on all held-out splits.

    Raises:
        Paused: The search has paused it again.
        DlrunError: As `resume`.
    """
    cluster, overrides = read_cluster(), options.overrides
    held = held_folder(folder, cluster=cluster)
    with open_session(held, listener=listener, timeline=timeline, cluster=cluster, trial=trial) as session:
        record = folder.read_record()
        if record.is_ensemble:
            _refuse_ensemble(record, overrides)
        file = read_changed_spec(folder, overrides, trust_plugins=options.trust_plugins)
        if changes_of_config := config_changes(file, folder):
            session.listener(Note("config", changes_of_config))
        if not file.spec.model.is_trainable:  # a kill right after the spec was written leaves no model in run.json
            _refuse_ensemble(record, overrides)
        if record.status == "completed" and not overrides:
            more = (
                "an ensemble has nothing to train" if record.is_ensemble else "--set training.epochs=N trains it longer"
            )
            session.listener(Note("resume", f"{folder.id} is complete; {more}"))
            return complete_run(session, file, record)
        # After the answer for a complete run, which needs no checkpoint.
        refuse_removed(folder)
        prepare_tracker(file, wanted=cluster.is_chief)
        announce_run(session)
        announce_lost_decision(session, record, file)
        for change in parent_changes(record, folder.path.parent):
            session.listener(Note("parent", f"{change}; what was taken over is in this run"))
        setup = assemble_run(file, session)
        # The environment on record is the chief's: another worker's machine may have another name for its CPU.
        changed = check_environment(folder, setup, options) if cluster.is_chief else ()
        if overrides:
            check_length(setup, folder)
        is_exact = not changed and (setup.is_exact or not cluster.is_chief)
        changes: dict[str, Any] = {"resumed": record.resumed + 1, "exact": record.exact and is_exact}
        if changed:
            changes["environment_changes"] = tuple(dict.fromkeys((*record.environment_changes, *changed)))
            session.listener(Note("warning", f"the run goes on, and is no longer exact: {'; '.join(changed)}"))
        if overrides:
            changes["identity"] = None  # it is no longer the run that was asked for at its start
        with _own_folder(session, file) as own:
            with session.recording(file, folder=own, **changes) as going_on:
                scores = train_assembled(setup, going_on, goes_on_from=folder)
            return going_on.result(scores)


def announce_lost_decision(session: Session, record: RunRecord, file: SpecFile) -> None:
    """Say that the decision of `dlrun calibrate` ends here: it was chosen for weights that will now change."""
    if record.decision is None or record.decision.origin != "calibrate":
        return
    again = "a decision is chosen as in the config"
    if file.spec.decision is None:
        again = f"the run has none until dlrun calibrate {record.id} chooses one again"
    what = f"the one of dlrun calibrate ({record.decision.summary}) was for the weights so far"
    session.listener(Note("decision", f"{what}; after this training, {again}"))


def _refuse_ensemble(record: RunRecord, overrides: tuple[str, ...]) -> None:
    """Raise an error for an ensemble that is not complete, or that would have to be trained.

    Raises:
        UsageError: There is nothing to train.
    """
    if record.status != "completed":
        raise UsageError(
            f"{record.id} is an ensemble that was not completed, and it has nothing to train",
            expected="a run that is trained",
            hint=f"dlrun ensemble joins its members again; dlrun runs rm {record.id} removes it",
        )
    if overrides:
        raise UsageError(
            f"{record.id} is an ensemble, which has nothing to train",
            expected="a run that is trained",
            hint="train its members longer, and join them again with dlrun ensemble",
        )


def _own_folder(session: Session, file: SpecFile) -> AbstractContextManager[RunFolder]:
    """The folder that this process writes to: the run's for the chief, one in a temporary place for another worker."""
    if session.cluster.is_chief:
        return nullcontext(session.folder)
    return new_folder(file, session.folder.path.parent, cluster=session.cluster)


def read_changed_spec(folder: RunFolder, overrides: tuple[str, ...], *, trust_plugins: bool) -> SpecFile:
    """Read the spec of a run with overrides, and refuse those that a training cannot have once it has begun.

    Raises:
        SpecError: A key cannot change any more.
        UsageError: The run ended before it had a spec.
    """
    if not disk.exists(folder.spec_yaml):
        raise UsageError(f"{folder.id} ended before its spec was written", hint="dlrun train makes a new run")
    # Without overrides the spec is not checked again: a later version may check more than the run was held to.
    after = read_stored_spec(folder, _with_one_length(overrides), trust_plugins=trust_plugins, trains=bool(overrides))
    # The place of the data is not trusted in a run from elsewhere: the user's own is needed to read either spec.
    places = tuple(f"dataset.{key}=" for key in after.spec.dataset.place_keys)
    before_overrides = tuple(override for override in overrides if override.startswith(places))
    before = read_stored_spec(folder, before_overrides, trust_plugins=trust_plugins)
    problems = [after.document.located(problem) for problem in refused_changes(before.spec, after.spec)]
    if problems:
        raise SpecError(problems)
    return after


def _with_one_length(overrides: tuple[str, ...]) -> tuple[str, ...]:
    """Let a new length in epochs replace one in steps, and the other way round."""
    for key, other in (("epochs", "steps"), ("steps", "epochs")):
        if any(override.startswith(f"training.{key}=") for override in overrides):
            return (f"training.{other}=null", *overrides)
    return overrides


def check_length(setup: TrainingSetup, folder: RunFolder) -> None:
    """Refuse a new length if a run of that length from the start would not have passed through this state.

    Raises:
        UsageError: More steps are trained already, or the training ended inside an epoch.
    """
    from dlrun.training.restoring import read_newest
    from dlrun.training.state import TrainingState

    found = read_newest(setup, folder, silent)
    if found is None:
        return
    state, length = TrainingState.from_json(found.checkpoint.state.get("training", {})), setup.length
    if state.step > length.steps:
        raise UsageError(
            f"{folder.id} has trained {state.step} steps already",
            expected=f"at least as many; the new length is {length.steps} steps",
        )
    if state.step < length.steps and state.step != state.epoch * length.steps_per_epoch + state.epoch_step:
        raise UsageError(
            f"{folder.id} ended inside an epoch, after {state.step} steps, and counted that part as an epoch",
            expected=f"a multiple of {length.steps_per_epoch} steps, for a run to be made longer",
            hint="dlrun train makes a new run of the other length",
        )


def check_environment(folder: RunFolder, setup: TrainingSetup, options: ResumeOptions) -> tuple[str, ...]:
    """Check that nothing has changed that could change a bit of the result.

    Returns:
        What has changed, if that is allowed.

    Raises:
        UsageError: Something has changed, and that is not allowed.
    """
    record = folder.read_record()
    if record.dataset is None:
        return ()  # it ended before the data was loaded: nothing has been computed yet
    differing = list(differences(record.environment, setup.environment()))
    changed = [f"{key} was {before}, and is {after}" for key, before, after in differing]
    is_other_machine = all(is_of_machine(key) for key, _, _ in differing)
    changes = data_changes(folder, DatasetRecord.of(setup.dataset), setup.interface())
    if changes:
        changed.append(f"{setup.spec.dataset.data_label(setup.dataset)} has changed: {'; '.join(changes)}")
    is_allowed = options.allow_changes or (options.allow_other_machine and is_other_machine and not changes)
    if changed and not is_allowed:
        raise UsageError(
            f"the environment is not the one that {record.id} was trained in: {'; '.join(changed)}",
            expected="the same environment, for a result that is exact to the bit",
            hint="--allow-changes resumes anyway; run.json then says that the run is not exact",
        )
    return tuple(changed)


def complete_trial(
    run: str | Path,
    *,
    trust_plugins: bool = False,
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
    began: float | None = None,
) -> TrainingResult:
    """Score a trial that is trained to its end on all held-out splits, keep its predictions, and draw its report.

    Afterwards the run is what `train` would have made of its spec. If it lacks nothing, nothing happens.

    Args:
        run: The run: an id, a part of one, or a path.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere.
        runs_dir: The folder to look for runs in.
        listener: Called with every event.
        began: When the program began, by `time.perf_counter`; None: now.

    Returns:
        The run folder, the scores of the final model, and the content of run.json.

    Raises:
        UsageError: The run is not trained to its end.
        DataError: The data is missing, or is not the data that the run was trained on.
        RunError: The checkpoint cannot be used, or another process holds the run.
    """
    folder = find_run(str(run), runs_dir=Path(runs_dir))
    held = held_folder(folder)
    with open_session(held, listener=listener, timeline=Timeline(began), cluster=ALONE) as session:
        record = folder.read_record()
        if record.status != "completed":
            raise UsageError(
                f"{folder.id} is not trained to its end: {record.reason or record.status}",
                expected="a completed run",
                hint=f"dlrun resume {folder.id} trains it to its end",
            )
        file = read_stored_spec(folder, trust_plugins=trust_plugins)
        announce_run(session)
        return complete_run(session, file, record)


def lacks_scores(record: RunRecord) -> bool:
    """Return whether a complete run has no scores of a split that it held out, because it was a trial of a search."""
    held_out = set(record.dataset.examples) - {"train"} if record.dataset is not None else set[str]()
    return record.search is not None and not held_out <= record.result.keys()


def complete_run(session: Session, file: SpecFile, record: RunRecord) -> TrainingResult:
    """Complete what a run lacks after its training.

    A trial lacks scores. A kill may have prevented the report, and predictions for a fold may have been lost.

    Args:
        session: The run, held by this process.
        file: Its spec.
        record: The content of run.json, whose status is `completed`.

    Raises:
        DataError: The data is missing, or is not the data that the run was trained on.
        RunError: The checkpoint cannot be used.
    """
    folder, is_chief = session.folder, session.cluster.is_chief
    if session.trial is not None:  # it lacks nothing as long as it is a trial
        return session.result(_known_scores(record))
    setup = None
    if is_chief and lacks_scores(record):
        setup = _restored(folder, file, listener=only_warnings(session.listener))
        record = _complete_scores(session, setup, record)
    if is_chief and file.spec.training.report:
        _complete_report(session, file, record, setup=setup)
    if is_chief and file.spec.dataset.fold is not None and not has_fold_predictions(folder):
        keep_fold_predictions(setup or _restored(folder, file, listener=only_warnings(session.listener)), folder)
    return session.result(_known_scores(record))


def _complete_scores(session: Session, setup: TrainingSetup, record: RunRecord) -> RunRecord:
    """Score the held-out splits as at the end of a training. Scores on record stay as they are.

    The scores are recorded last: after a kill, everything is done again.
    """
    columns = read_slices(setup, session)
    if record.decision is not None and record.decision.origin == "spec":
        # It is chosen on the same examples again, and then scored on the other splits, too.
        setup = decide(setup, session, checkpoint=record.decision.checkpoint)
    scores = score_final(setup, session, columns)
    known = _known_scores(record)
    whole = {split: known.get(split, found) for split, found in scores.items()}
    record_outcome(session.folder, whole, weights_sha256=record.weights_sha256 or "", reason=record.reason or "")
    return session.folder.read_record()


def _complete_report(session: Session, file: SpecFile, record: RunRecord, *, setup: TrainingSetup | None) -> None:
    folder, listener = session.folder, session.listener
    lacking = [split for split in record.result if not has_predictions(folder, split)]
    if not lacking and folder.report_html.is_file():
        return
    with reporting(folder, listener, wanted=True, timeline=session.timeline):
        if not lacking:
            return
        try:
            _predict_again(folder, file, lacking, setup=setup, listener=only_warnings(listener))
        except (DataError, RunError, UsageError) as error:
            listener(Note("warning", f"the report shows no predictions of {', '.join(lacking)}: {error.what}"))


def _predict_again(
    folder: RunFolder, file: SpecFile, splits: Sequence[str], *, setup: TrainingSetup | None, listener: Listener
) -> None:
    setup = setup or _restored(folder, file, listener=listener)
    keep_predictions(setup.decided_by(read_decision(folder, setup.target)), folder, splits)


def _restored(folder: RunFolder, file: SpecFile, *, listener: Listener) -> TrainingSetup:
    """Return the parts of a complete run, with the weights of its final model.

    Raises:
        DataError: The data is missing, or is not the data that the run was trained on.
        RunError: The checkpoint cannot be used.
    """
    start_tensorflow()
    from dlrun.training.restoring import restore_model
    from dlrun.training.setup import assemble

    setup = assemble(file, listener=listener)
    if changes := data_changes(folder, DatasetRecord.of(setup.dataset), setup.interface()):
        raise DataError(
            f"{setup.spec.dataset.data_label(setup.dataset)} has changed since the training: {'; '.join(changes)}"
        )
    restore_model(setup.spec, setup.compiled.model, folder, "final", silent)
    return setup.decided_by(read_decision(folder, setup.target))


def _known_scores(record: RunRecord) -> dict[str, dict[str, float]]:
    return {
        split: {name: value for name, value in scores.items() if value is not None}
        for split, scores in record.result.items()
    }
