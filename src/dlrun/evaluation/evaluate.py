"""Evaluate the model of a run: loss, metrics, and scores of each class, label or value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.data.target_transform import check_transformable
from dlrun.errors import DataError, UsageError
from dlrun.evaluation.record import Origin, data_name, record_evaluation
from dlrun.runs import RUNS_DIR
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import data_changes, read_interface
from dlrun.runs.query.catalog import find_run
from dlrun.runs.record import DatasetRecord
from dlrun.scoring.breakdown import Breakdown, collector_of
from dlrun.scoring.regression import regression_scores
from dlrun.spec.parse import SpecFile, override_list
from dlrun.spec.stored import USED, read_stored_spec, refuse_unused
from dlrun.system.tensorflow_start import start_tensorflow
from dlrun.training.progress.events import Evaluated, Listener, Note, only_warnings, silent

if TYPE_CHECKING:
    from dlrun.signature import Target
    from dlrun.training.naive import NaiveScores
    from dlrun.training.predictor import Predictor
    from dlrun.training.setup import TrainingSetup

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation on a split or file.

    Args:
        scores: Loss and metrics of the spec.
        breakdown: More scores of the predictions, also for each class, label or value.
        checkpoint: Name of the evaluated checkpoint.
        table: CSV file in the run folder with a row for each class, label or value; None if it was not written.
    """

    scores: Mapping[str, float]
    breakdown: Breakdown
    checkpoint: str
    table: Path | None = None


def evaluate(  # noqa: PLR0913  each argument is an option of the command
    run: str | Path,
    *,
    split: str | None = None,
    data: str | Path | None = None,
    checkpoint: str = "final",
    overrides: str | Sequence[str] = (),
    allow_changes: bool = False,
    trust_plugins: bool = False,
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
) -> dict[str, Evaluation]:
    """Evaluate the model of a run, and record the scores in its folder.

    Args:
        run: Id of the run, a part of it, a path, `last`, or `best:KEY`.
        split: `train`, `validation`, `test`, or `all`; None for test.
        data: File of raw input with labels to evaluate on instead of a split. The data of the run is then not needed.
        checkpoint: `final` (the result of the training), `last`, `best`, or the name of a checkpoint.
        overrides: Overrides of the form `key=value`, such as another batch size or a new path of the data.
        allow_changes: Whether to evaluate on a split of data that has changed since the training.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere.
        runs_dir: Folder of the runs.
        listener: Function that receives every event.

    Returns:
        The evaluations by split; for a file, under `data-` and its name.

    Raises:
        UsageError: The run, split or checkpoint does not exist, an override has no effect, or the data has changed.
        DataError: The file does not match the training data, or has no labels.
        CheckpointError: The checkpoint is damaged.
        RunError: The checkpoint belongs to another model.
    """
    if split is not None and data is not None:
        raise UsageError(f"both a split ({split}) and a file ({data}) are given", expected="only one of them")
    if allow_changes and data is not None:
        raise UsageError(
            "--allow-changes has no effect with a file, which may always differ", expected="only one of them"
        )
    overrides, data = override_list(overrides), None if data is None else str(data)
    folder = find_run(str(run), runs_dir=Path(runs_dir), is_trained=True)
    file = read_stored_spec(folder, overrides, trust_plugins=trust_plugins, looks_at_data=data is None)
    found: dict[str, Evaluation] = {}
    if data is not None:
        refuse_unused(overrides, used=(*USED, "metrics"), purpose="the scores of a file")
        evaluated = _evaluate_file(folder, file, data, checkpoint=checkpoint, listener=listener)
    else:
        evaluated = _evaluate_splits(
            folder, file, split or "test", checkpoint=checkpoint, allow_changes=allow_changes, listener=listener
        )
    for name, evaluation, origin in evaluated:
        listener(Evaluated(name, evaluation.scores))
        table = record_evaluation(
            folder, name, evaluation.scores, evaluation.breakdown, origin=origin, listener=listener
        )
        found[name] = replace(evaluation, table=table)
    return found


def _evaluate_splits(
    folder: RunFolder, file: SpecFile, split: str, *, checkpoint: str, allow_changes: bool, listener: Listener
) -> Iterator[tuple[str, Evaluation, Origin]]:
    start_tensorflow()
    from dlrun.training.naive import find_baseline, naive_scores
    from dlrun.training.restoring import restore_model
    from dlrun.training.setup import assemble

    setup = assemble(file, listener=only_warnings(listener))
    splits = setup.dataset.splits
    if split != "all" and split not in splits:
        raise UsageError(f"the data has no split {split!r}", expected="one of " + ", ".join((*splits, "all")))
    changes = data_changes(folder, DatasetRecord.of(setup.dataset), setup.interface())
    if changes:
        what = f"{file.spec.dataset.data_label(setup.dataset)} has changed since the training: {'; '.join(changes)}"
        if not allow_changes:
            hint = "--allow-changes evaluates it anyway; --data FILE evaluates another file"
            raise UsageError(what, expected="the same data", hint=hint)
        listener(Note("warning", what))
    restored = restore_model(setup.spec, setup.compiled.model, folder, checkpoint, listener)
    origin = Origin(checkpoint, restored, setup.dataset.name, setup.dataset.fingerprint)
    baseline = find_baseline(setup)
    for name in splits if split == "all" else (split,):
        scores, naive = setup.evaluator(name).scores(), naive_scores(setup, baseline, name) if baseline else {}
        yield name, Evaluation(scores, replace(_break_down(setup, name), naive=naive), restored), origin


def _break_down(setup: TrainingSetup, name: str) -> Breakdown:
    split, predictor, at_once = setup.dataset.splits[name], setup.predictor(), setup.interface().rows_at_once
    collector = collector_of(setup.target)
    # In blocks, so that memory stays bounded for a split of any size.
    for start in range(0, len(split), at_once):
        rows = slice(start, start + at_once)
        truth = None if split.target is None else split.target[rows]
        collector.add(*_truth_and_predictions(predictor, split.features[rows], truth))
    breakdown, naive = collector.breakdown(), setup.dataset.naive.get(name)
    return breakdown if naive is None or split.target is None else _beside_naive(breakdown, split.target, naive)


def _evaluate_file(
    folder: RunFolder, file: SpecFile, data: str, *, checkpoint: str, listener: Listener
) -> Iterable[tuple[str, Evaluation, Origin]]:
    interface = read_interface(folder).read_as(file.spec.dataset)
    target = interface.target
    # Report problems of the file before TensorFlow starts, which takes seconds.
    wanted = target if target.kind != "input" else None
    blocks = interface.read(data, target=wanted, tell=lambda text: listener(Note("warning", text)))
    start_tensorflow()
    from dlrun.training.trained import load_trained

    device = file.spec.training.device.partition(",")[0]
    trained = load_trained(folder, file.spec, checkpoint=checkpoint, listener=listener, device=device)
    predictor, scores, collector = trained.predictor(), trained.streamed_scores(), collector_of(target)
    naive = _naive_of_file(folder, file, target, is_series=interface.raw.type == "series")
    examples = unlabelled = blank = 0
    for block in blocks:
        unlabelled, blank = unlabelled + block.unlabelled, blank + block.blank
        # All examples of a block may lack a target; they are counted above, but have no score.
        if not len(block):
            continue
        examples += len(block)
        if block.target is not None and target.kind == "values":
            check_transformable(block.target, target.output_names, target.transform, place=_place_in(data, block.names))
        scores.add(block.stored, block.target)
        collector.add(*_truth_and_predictions(predictor, block.stored, block.target))
        if naive is not None and block.target is not None:
            naive.add(np.asarray(block.target), block.naive)
    if not examples:
        raise DataError(f"{data} contains no examples", expected="at least one example")
    if unlabelled:
        total = examples + unlabelled
        listener(Note("warning", f"{unlabelled:,} of {total:,} examples of {data} have no target and are ignored"))
    if blank:
        listener(Note("warning", f"all features are missing in {blank:,} of {examples:,} examples"))
    of_naive = {} if naive is None else naive.scores()
    evaluation = Evaluation(scores.scores(), replace(collector.breakdown(), naive=of_naive), trained.checkpoint)
    return [(data_name(data), evaluation, Origin(checkpoint, trained.checkpoint, data))]


def _place_in(data: str, names: Sequence[str]) -> Callable[[int], str]:
    return lambda row: f"{data}: {names[row]}"


def _naive_of_file(folder: RunFolder, file: SpecFile, target: Target, *, is_series: bool) -> NaiveScores | None:
    """Return an object that scores the naive prediction of the run on a file; None if the run has none."""
    from dlrun.training.naive import NaiveScores

    baseline, spec = folder.read_record().baseline, file.spec
    # Runs of earlier versions recorded no baseline, and one with very many values is recorded without them.
    # A series needs neither: its naive forecasts come with each block.
    if not is_series and (baseline is None or len(baseline.values) != target.size):
        return None
    constant = () if is_series or baseline is None else baseline.values
    batch_size = spec.training.evaluation_batch_size
    return NaiveScores(spec.loss, spec.metrics, target, batch_size=batch_size, constant=constant)


def _truth_and_predictions(predictor: Predictor, stored: Array, truth: Array | None) -> tuple[Array, Array]:
    """Return truth and predictions in the form that a collector takes."""
    if predictor.target.kind == "input" or truth is None:
        return np.empty(0), predictor.reconstruction_errors(stored)
    return np.asarray(truth), predictor.precise(stored)


def _beside_naive(breakdown: Breakdown, truth: Array, naive: Array) -> Breakdown:
    """Return the breakdown with the scores of the naive forecast added to each value."""
    scores = regression_scores(truth.reshape(len(truth), -1), naive.reshape(len(naive), -1))
    parts = {
        name: {**part, "naive_mae": float(scores.mae[index]), "naive_rmse": float(scores.rmse[index])}
        for index, (name, part) in enumerate(breakdown.parts.items())
    }
    return replace(breakdown, parts=parts)
