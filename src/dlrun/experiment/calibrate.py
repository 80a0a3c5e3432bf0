"""Choose the decision of a trained run anew, on its validation split; the weights stay as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.decision import Calibration, Decision
from dlrun.errors import UsageError
from dlrun.experiment.report import keep_predictions, reporting
from dlrun.runs import RUNS_DIR
from dlrun.runs.folder import RunFolder, now
from dlrun.runs.interface import data_changes
from dlrun.runs.predictions import remove_predictions
from dlrun.runs.provenance.trust import is_own
from dlrun.runs.query.catalog import find_run
from dlrun.runs.record import DatasetRecord, DecisionRecord
from dlrun.spec.decision import DecisionRule
from dlrun.spec.parse import SpecFile, override_list
from dlrun.spec.stored import read_stored_spec
from dlrun.system.tensorflow_start import start_tensorflow
from dlrun.training.progress.events import Listener, only_warnings, silent
from dlrun.training.progress.timeline import Timeline

if TYPE_CHECKING:
    from dlrun.training.setup import TrainingSetup

ThresholdChoice = float | str | Mapping[str, Any]
_SCORES = ("f1", "balanced_accuracy")


def calibrate(  # noqa: PLR0913  an option each, by keyword
    run: str | Path,
    *,
    calibration: Calibration | None = None,
    threshold: ThresholdChoice | None = None,
    overrides: str | Sequence[str] = (),
    trust_plugins: bool = False,
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
) -> DecisionRecord:
    """Choose calibration and threshold of a trained run on its validation split, and record them in place of others.

    What is not given is as in the section `decision` of the run's spec. With neither option nor section, a temperature
    is chosen. So the same call always gives the same decision, whatever was chosen in between.

    Args:
        run: Id of the run, a part of it, a path, `last`, or `best:KEY`.
        calibration: `temperature`, `isotonic`, or `none`.
        threshold: A number, `f1` or `balanced_accuracy` to maximize, `none` for the most probable class, or a dict as
            in a spec: `{"cost": {"false_positive": 1, "false_negative": 5}}`.
        overrides: Overrides of the form `key=value`, such as a new path of the data.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere.
        runs_dir: Folder of the runs.
        listener: Function that receives every event.

    Returns:
        The decision, its reasons, and the scores of the held-out splits before and after it.

    Raises:
        UsageError: The run does not exist, was made elsewhere, or has no validation split, or its data has changed.
        SpecError: The model has no probabilities, or not the classes that the decision needs.
        CheckpointError: The checkpoint is damaged.
        RunError: Another process holds the run, or its folder cannot be written to.
    """
    folder = find_run(str(run), runs_dir=Path(runs_dir), is_trained=True)
    if not is_own(folder):
        what = f"{folder.id} was made elsewhere, so its decision cannot be changed"
        raise UsageError(what, hint="dlrun reproduce trains a run of your own from it")
    file, rule = _read_rule(folder, override_list(overrides), calibration, threshold, trust_plugins=trust_plugins)
    _check_validation(folder, rule)
    with folder.lock():
        return _calibrate(folder, file, rule, listener)


def _read_rule(
    folder: RunFolder,
    overrides: tuple[str, ...],
    calibration: Calibration | None,
    threshold: ThresholdChoice | None,
    *,
    trust_plugins: bool,
) -> tuple[SpecFile, DecisionRule | None]:
    """Return the spec with the wanted decision, and this decision; None for none."""
    file = read_stored_spec(folder, overrides, trust_plugins=trust_plugins)
    rule = file.spec.decision
    if rule is None and calibration is None and threshold is None:
        calibration = "temperature"
    wanted = {
        "calibration": rule.calibration if rule is not None and calibration is None else calibration,
        "threshold": rule.plain()["threshold"] if rule is not None and threshold is None else threshold,
    }
    if all(value in (None, "none") for value in wanted.values()):
        return file, None
    given = tuple(f"decision.{key}={_written(value)}" for key, value in wanted.items())
    file = read_stored_spec(folder, (*overrides, *given), trust_plugins=trust_plugins)
    return file, file.spec.decision


def _written(value: ThresholdChoice | None) -> str:
    """Return a value of a decision as `--set` takes it."""
    if value in (None, "none"):
        return "null"
    if value in _SCORES:
        return f"{{maximize: {value}}}"
    return value if isinstance(value, str) else json.dumps(value)


def _check_validation(folder: RunFolder, rule: DecisionRule | None) -> None:
    """Check before TensorFlow starts that there is something to choose by.

    Raises:
        UsageError: The run has no validation split.
    """
    dataset = folder.read_record().dataset
    if rule is not None and rule.looks_at_validation and dataset is not None and "validation" not in dataset.examples:
        raise UsageError(
            f"{folder.id} has no validation split to choose a decision on",
            expected="a run with dataset.validation",
            hint="a threshold can be given as a number: --threshold 0.3",
        )


def _calibrate(folder: RunFolder, file: SpecFile, rule: DecisionRule | None, listener: Listener) -> DecisionRecord:
    start_tensorflow()
    from dlrun.experiment.decision import choose_decision
    from dlrun.training.restoring import restore_model
    from dlrun.training.setup import assemble

    timeline, wanted = Timeline(), file.spec.training.report
    with reporting(folder, listener, wanted=wanted, timeline=timeline):
        setup = assemble(file, listener=only_warnings(listener))
        if changes := data_changes(folder, DatasetRecord.of(setup.dataset), setup.interface()):
            label = setup.spec.dataset.data_label(setup.dataset)
            raise UsageError(f"{label} has changed since the training: {'; '.join(changes)}", expected="the same data")
        checkpoint = restore_model(setup.spec, setup.compiled.model, folder, "final", silent)
        if rule is None:
            summary = Decision().describe(())
            record = DecisionRecord(
                value=Decision(), summary=summary, finished=now(), origin="calibrate", checkpoint=checkpoint
            )
        else:
            record = choose_decision(setup, rule, checkpoint=checkpoint, origin="calibrate", listener=listener)
        _record(folder, setup.decided_by(record.value), record, keeps_predictions=wanted)
    return record


def _record(folder: RunFolder, setup: TrainingSetup, record: DecisionRecord, *, keeps_predictions: bool) -> None:
    """Record a decision, and predict anew what the report shows.

    After a kill at any point the run has the old decision or the new one, and no predictions of the other one:
    1. The kept predictions are removed. 2. The decision is recorded. 3. The predictions are made again; if they are
    missing, `dlrun resume` makes them.
    """
    splits = setup.held_out_splits()
    remove_predictions(folder, splits)
    folder.update_record(decision=record)
    if keeps_predictions:
        keep_predictions(setup, folder, splits)
