"""Complete what a run that is trained to its end lacks: scores that a trial left out, predictions, its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.errors import DataError, RunError, UsageError
from dlrun.experiment.decision import decide
from dlrun.experiment.fold import keep_fold_predictions
from dlrun.experiment.record import held_folder, record_outcome
from dlrun.experiment.report import keep_predictions, reporting
from dlrun.experiment.session import Session, TrainingResult, open_session
from dlrun.experiment.train import announce_run, read_slices, score_final
from dlrun.runs import RUNS_DIR
from dlrun.runs.fold_predictions import has_fold_predictions
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import data_changes, read_decision
from dlrun.runs.predictions import has_predictions
from dlrun.runs.query.catalog import find_run
from dlrun.runs.record import DatasetRecord, RunRecord
from dlrun.spec.parse import SpecFile
from dlrun.spec.stored import read_stored_spec
from dlrun.system.tensorflow_start import start_tensorflow
from dlrun.training.devices.cluster import ALONE
from dlrun.training.progress.events import Listener, Note, only_warnings, silent
from dlrun.training.progress.timeline import Timeline

if TYPE_CHECKING:
    from dlrun.training.setup import TrainingSetup


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
