"""Evaluate the model of a run: loss, metrics, and scores of each class, label or value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.data.images.input import ImageInput
from dlrun.data.interface import Interface
from dlrun.data.media_files.path_table import is_path_table
from dlrun.data.target_transform import check_transformable
from dlrun.errors import DataError, UsageError
from dlrun.evaluation.intervals import measure_again, read_interval, with_coverage, with_intervals
from dlrun.evaluation.record import Origin, data_name, record_evaluation
from dlrun.evaluation.slice_columns import keeping_columns, kept_values
from dlrun.experiment.slices import (
    collect_predictions,
    read_slice_values,
    refuse_slicing,
    slice_predictions,
    truth_and_predictions,
)
from dlrun.runs import RUNS_DIR
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import data_changes, read_decision, read_interface
from dlrun.runs.provenance.trust import is_own
from dlrun.runs.query.catalog import find_run
from dlrun.runs.record import DatasetRecord
from dlrun.scoring.breakdown import Breakdown, Collector, collector_of
from dlrun.scoring.regression import regression_scores
from dlrun.spec.parse import SpecFile, override_list
from dlrun.spec.stored import USED, read_stored_spec, refuse_unused
from dlrun.system.tensorflow_start import start_tensorflow
from dlrun.training.progress.events import Evaluated, Listener, Note, only_warnings, silent

if TYPE_CHECKING:
    from dlrun.signature import Target
    from dlrun.training.naive import NaiveScores
    from dlrun.training.setup import TrainingSetup
    from dlrun.training.trained import Trained

Array = npt.NDArray[Any]

_OF_MASKS = ("dataset.masks", "dataset.mask_column", "dataset.mask_suffix")
"""Keys that say where the masks of the images in a file or folder are."""


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
    by: str | Sequence[str] = (),
    intervals: float | None = None,
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
        split: `train`, `validation`, `test`, or `all`; None for test, or validation if the run has no test split.
        data: File of raw input with labels to evaluate on instead of a split. The data of the run is then not needed.
        by: Columns to group the examples by, features or not: the scores of each group, and the gaps between them. By
            default those of `evaluation.by` in the spec, for a split.
        intervals: Probability of the prediction intervals to score; None for 0.9, if the run has intervals.
        checkpoint: `final` (the result of the training), `last`, `best`, or the name of a checkpoint.
        overrides: Overrides of the form `key=value`, such as another batch size or a new path of the data.
        allow_changes: Whether to evaluate on a split of data that has changed since the training.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere.
        runs_dir: Folder of the runs.
        listener: Function that receives every event.

    Returns:
        The evaluations by split; for a file, under `data-` and its name.

    Raises:
        UsageError: The run, split, checkpoint or column does not exist, an override has no effect, or the data has
            changed.
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
    by = (by,) if isinstance(by, str) else tuple(dict.fromkeys(by))
    folder = find_run(str(run), runs_dir=Path(runs_dir), is_trained=True)
    file = read_stored_spec(folder, overrides, trust_plugins=trust_plugins, looks_at_data=data is None)
    found: dict[str, Evaluation] = {}
    if data is not None:
        of_masks = _OF_MASKS if read_interface(folder).target.kind == "mask" else ()
        refuse_unused(overrides, used=(*USED, "metrics", *of_masks), purpose="the scores of a file")
        keys = {override.partition("=")[0].strip() for override in overrides}
        chooses_masks = not keys.isdisjoint(("dataset", "dataset.masks"))
        wanted = _Wanted("", by, checkpoint, intervals=intervals, chooses_masks=chooses_masks)
        evaluated = _evaluate_file(folder, file, data, wanted, listener=listener)
    else:
        by = by or file.spec.evaluation.by
        refuse_slicing(file.spec.dataset, by)
        wanted = _Wanted(
            split or _usual_split(folder, listener), by, checkpoint, allow_changes=allow_changes, intervals=intervals
        )
        evaluated = _evaluate_splits(folder, file, wanted, listener=listener)
    for name, evaluation, origin in evaluated:
        listener(Evaluated(name, evaluation.scores))
        table = record_evaluation(
            folder, name, evaluation.scores, evaluation.breakdown, origin=origin, listener=listener
        )
        found[name] = replace(evaluation, table=table)
    return found


def _usual_split(folder: RunFolder, listener: Listener) -> str:
    """Return the split that says most about the model, with a note if it is not the test split."""
    dataset = folder.read_record().dataset
    splits = ("test",) if dataset is None else dataset.examples
    found = next((name for name in ("test", "validation", "train") if name in splits), "test")
    if found != "test":
        listener(Note("split", f"{found}, because the run has no test split"))
    return found


@dataclass(frozen=True)
class _Wanted:
    """What to evaluate, and how.

    Args:
        split: The split; empty for a file.
        by: The columns to group it by.
        checkpoint: The checkpoint as requested.
        allow_changes: Whether the data of the run may have changed.
        intervals: The probability of the prediction intervals to score; None for the usual one.
        chooses_masks: Whether an override says where masks are.
    """

    split: str
    by: tuple[str, ...]
    checkpoint: str
    allow_changes: bool = False
    intervals: float | None = None
    chooses_masks: bool = False


def _evaluate_splits(
    folder: RunFolder, file: SpecFile, wanted: _Wanted, *, listener: Listener
) -> Iterator[tuple[str, Evaluation, Origin]]:
    scored = read_interval(folder, wanted.intervals, split=wanted.split)
    start_tensorflow()
    from dlrun.training.naive import find_baseline, naive_scores
    from dlrun.training.restoring import restore_model
    from dlrun.training.setup import assemble

    setup = assemble(file, listener=only_warnings(listener))
    splits = setup.dataset.splits
    if wanted.split != "all" and wanted.split not in splits:
        raise UsageError(f"the data has no split {wanted.split!r}", expected="one of " + ", ".join((*splits, "all")))
    changes = data_changes(folder, DatasetRecord.of(setup.dataset), setup.interface())
    if changes:
        what = f"{file.spec.dataset.data_label(setup.dataset)} has changed since the training: {'; '.join(changes)}"
        if not wanted.allow_changes:
            hint = "--allow-changes evaluates it anyway; --data FILE evaluates another file"
            raise UsageError(what, expected="the same data", hint=hint)
        listener(Note("warning", what))
    chosen = tuple(splits) if wanted.split == "all" else (wanted.split,)
    columns = read_slice_values(setup, wanted.by, chosen)
    restored = restore_model(setup.spec, setup.compiled.model, folder, wanted.checkpoint, listener)
    origin = Origin(wanted.checkpoint, restored, setup.dataset.name, setup.dataset.fingerprint)
    baseline, setup = find_baseline(setup), setup.decided_by(read_decision(folder, setup.target))
    for name in chosen:
        scores, naive = setup.evaluator(name).scores(), naive_scores(setup, baseline, name) if baseline else {}
        collector = collect_predictions(setup, name)
        slices = slice_predictions(collector, columns.get(name, {}), setup.spec)
        breakdown = replace(_break_down(setup, name, collector), naive=naive, slices=slices)
        breakdown = with_intervals(breakdown, scored, setup, split=name, folder=folder, checkpoint=restored)
        if name == "validation" and wanted.checkpoint == "final" and not changes:
            measure_again(setup, folder, checkpoint=restored)
        yield name, Evaluation(scores, breakdown, restored), origin


def _break_down(setup: TrainingSetup, name: str, collector: Collector) -> Breakdown:
    breakdown, naive, truth = collector.breakdown(), setup.dataset.naive.get(name), setup.dataset.splits[name].target
    if setup.target.decision is not None:
        undecided = collect_predictions(setup.decided_by(None), name).breakdown().overall
        breakdown = replace(breakdown, undecided=undecided)
    return breakdown if naive is None or truth is None else _beside_naive(breakdown, truth, naive)


def _evaluate_file(
    folder: RunFolder, file: SpecFile, data: str, options: _Wanted, *, listener: Listener
) -> Iterable[tuple[str, Evaluation, Origin]]:
    by, checkpoint = options.by, options.checkpoint
    interface = _with_masks(read_interface(folder).read_as(file.spec.dataset), folder, data, options)
    if isinstance(interface.raw, ImageInput) and interface.raw.masks and interface.raw.masks.folder:
        listener(Note("masks", interface.raw.masks.folder))
    interface = keeping_columns(interface, data, by)
    scored = read_interval(folder, options.intervals, split="")
    target = interface.target
    # Report problems of the file before TensorFlow starts, which takes seconds.
    wanted = target if target.kind != "input" or interface.raw.reads_weights else None
    blocks = interface.read(data, target=wanted, tell=lambda text: listener(Note("warning", text)))
    start_tensorflow()
    from dlrun.training.trained import load_trained

    device = file.spec.training.device.partition(",")[0]
    trained = load_trained(folder, file.spec, checkpoint=checkpoint, listener=listener, device=device)
    predictor, scores, collector = trained.predictor(), trained.streamed_scores(), collector_of(target)
    undecided = _Undecided(trained) if target.decision is not None else None
    coverage = None if scored is None else scored.coverage(predictor, folder, trained.checkpoint)
    naive = _naive_of_file(folder, file, target, is_series=interface.raw.has_steps)
    examples = unlabelled = blank = 0
    kept: dict[str, list[str | None]] = {name: [] for name in by}
    for block in blocks:
        unlabelled, blank = unlabelled + block.unlabelled, blank + block.blank
        # All examples of a block may lack a target; they are counted above, but have no score.
        if not len(block):
            continue
        examples += len(block)
        if block.target is not None and target.kind == "values":
            check_transformable(block.target, target.output_names, target.transform, place=_place_in(data, block.names))
        scores.add(block.stored, block.target, block.weight)
        collector.add(*truth_and_predictions(predictor, block.stored, block.target), block.weight)
        if undecided is not None:
            undecided.add(block.stored, block.target, block.weight)
        for name in by:
            kept[name].extend(block.kept[name])
        if coverage is not None and block.target is not None:
            coverage.add(block.stored, block.target, block.weight)
        if naive is not None and block.target is not None:
            naive.add(np.asarray(block.target), block.naive, weight=block.weight)
    _check_examples(data, examples, unlabelled=unlabelled, blank=blank, listener=listener)
    of_naive = {} if naive is None else naive.scores()
    slices = slice_predictions(collector, kept_values(kept, file.spec.dataset), file.spec)
    of_undecided = {} if undecided is None else undecided.overall()
    breakdown = replace(collector.breakdown(), naive=of_naive, slices=slices, undecided=of_undecided)
    breakdown = breakdown if coverage is None else with_coverage(breakdown, coverage.scores())
    evaluation = Evaluation(scores.scores(), breakdown, trained.checkpoint)
    return [(data_name(data), evaluation, Origin(checkpoint, trained.checkpoint, data))]


def _with_masks(interface: Interface, folder: RunFolder, data: str, options: _Wanted) -> Interface:
    """Return an interface without a folder of masks for a list of images, or that a run from elsewhere chose."""
    raw = interface.raw
    is_chosen = options.chooses_masks or is_own(folder)
    if not isinstance(raw, ImageInput) or raw.masks is None or (is_chosen and not is_path_table(data)):
        return interface
    return replace(interface, raw=replace(raw, masks=replace(raw.masks, folder=None)))


def _check_examples(data: str, examples: int, *, unlabelled: int, blank: int, listener: Listener) -> None:
    """Warn of examples without a target or features; without any examples, raise a DataError."""
    if not examples:
        raise DataError(f"{data} contains no examples", expected="at least one example")
    if unlabelled:
        total = examples + unlabelled
        listener(Note("warning", f"{unlabelled:,} of {total:,} examples of {data} have no target and are ignored"))
    if blank:
        listener(Note("warning", f"all features are missing in {blank:,} of {examples:,} examples"))


def _place_in(data: str, names: Sequence[str]) -> Callable[[int], str]:
    return lambda row: f"{data}: {names[row]}"


class _Undecided:
    """Scores the predictions that a model would make without its decision.

    Args:
        trained: The model.
    """

    def __init__(self, trained: Trained) -> None:
        interface = trained.interface
        target = interface.target.decided_by(None)
        self._predictor = replace(trained, interface=replace(interface, target=target)).predictor()
        self._collector = collector_of(target)

    def add(self, stored: Array, truth: Array | None, weights: Array | None) -> None:
        """Add a block of examples."""
        self._collector.add(*truth_and_predictions(self._predictor, stored, truth), weights)

    def overall(self) -> Mapping[str, float]:
        """Return the scores over all examples added so far."""
        return self._collector.breakdown().overall


def _naive_of_file(folder: RunFolder, file: SpecFile, target: Target, *, is_series: bool) -> NaiveScores | None:
    """Return an object that scores the naive prediction of the run on a file; None if the run has none."""
    from dlrun.training.naive import NaiveScores

    baseline, spec = folder.read_record().baseline, file.spec
    # Runs of earlier versions recorded no baseline, and one with very many values is recorded without them.
    # A series needs neither: its naive forecasts come with each block.
    if not is_series and (baseline is None or len(baseline.values) != target.size * max(1, len(target.levels))):
        return None
    constant = () if is_series or baseline is None else baseline.values
    batch_size = spec.training.evaluation_batch_size
    return NaiveScores(spec.loss, spec.metrics, target, batch_size=batch_size, constant=constant)


def _beside_naive(breakdown: Breakdown, truth: Array, naive: Array) -> Breakdown:
    """Return the breakdown with the scores of the naive forecast added to each value."""
    scores = regression_scores(truth.reshape(len(truth), -1), naive.reshape(len(naive), -1))
    parts = {
        name: {**part, "naive_mae": float(scores.mae[index]), "naive_rmse": float(scores.rmse[index])}
        for index, (name, part) in enumerate(breakdown.parts.items())
    }
    return replace(breakdown, parts=parts)
