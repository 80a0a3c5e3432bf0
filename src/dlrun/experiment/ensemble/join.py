"""Join trained runs into an ensemble, in a run folder of its own: the stages in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from dlrun.data import Dataset
from dlrun.data.ensemble.joining import join_datasets, shares_validation
from dlrun.errors import RunError
from dlrun.experiment.decision import decide
from dlrun.experiment.ensemble.choosing import (
    MemberWeights,
    check_has_validation,
    check_weighting,
    equal_weights,
    greedy_weights,
)
from dlrun.experiment.ensemble.compose import compose_spec
from dlrun.experiment.ensemble.members import MemberRun, load_data, read_members, validation_scores
from dlrun.experiment.ensemble.out_of_fold import out_of_fold_scores
from dlrun.experiment.intervals import keep_intervals, keep_measured
from dlrun.experiment.record import new_folder, record_choices, record_outcome, record_progress, record_time
from dlrun.experiment.session import Scores, Session, TrainingResult, open_session
from dlrun.experiment.train import announce_run, predict_for_report, score_held_out, warn_of_signature
from dlrun.runs import RUNS_DIR
from dlrun.runs.record import Choice, EnsembleMemberRecord, EnsembleRecord
from dlrun.spec.parse import SpecFile
from dlrun.spec.stored import refuse_unused
from dlrun.system.tensorflow_start import start_tensorflow
from dlrun.training.devices.cluster import ALONE
from dlrun.training.progress.events import Listener, Note, TimeSpent, only_warnings, silent
from dlrun.training.progress.timeline import Timeline

if TYPE_CHECKING:
    from dlrun.scoring.conformal import ConformalScores
    from dlrun.training.setup import TrainingSetup

Array = npt.NDArray[Any]

_SHOWN = 8


@dataclass(frozen=True)
class EnsembleOptions:
    """The options of an ensemble.

    Args:
        weights: `mean` or `greedy`.
        name: The name of the new run.
        overrides: Overrides for the dataset section of every member.
        trust_plugins: Whether to load the plugins, which are code, of runs that were made elsewhere.
    """

    weights: str = "mean"
    name: str = "ensemble"
    overrides: tuple[str, ...] = ()
    trust_plugins: bool = False


@dataclass(frozen=True)
class TrainedMember:
    """What an ensemble takes from a trained run.

    Args:
        variables: The variables of its network, in the order of the network.
        checkpoint: The name of the checkpoint that they come from.
        predictions: Its predictions for its validation split; None if they are not needed. Those of numbers are in the
            unit of the data at each level, `(n, levels, size)`.
    """

    variables: tuple[Array, ...]
    checkpoint: str
    predictions: Array | None

    @property
    def all_predictions(self) -> Array:
        """Its predictions, which are needed."""
        if self.predictions is None:
            raise ValueError("the validation split was not predicted")
        return self.predictions

    def main_predictions(self, level: int) -> Array:
        """Return its predictions; of several quantiles of a number, the one that is the prediction itself.

        Args:
            level: The place of that quantile.
        """
        found = self.all_predictions
        return found if found.ndim < 3 else found[:, level]


def join_runs(
    runs: Sequence[str], options: EnsembleOptions, *, runs_dir: Path = RUNS_DIR, listener: Listener = silent
) -> TrainingResult:
    """Join trained runs into one run; `dlrun.ensemble` lists the errors.

    Args:
        runs: The runs: ids, parts of ids, paths, `last`, or `best:KEY`.
        options: How to join them.
        runs_dir: The folder to look for runs in, and to make the new one in.
        listener: Called with every event.

    Returns:
        The run folder, the scores of the ensemble, and the content of run.json.
    """
    timeline, weighting = Timeline(), check_weighting(options.weights)
    refuse_unused(options.overrides, used=("dataset",), purpose="an ensemble")
    members = read_members(runs, runs_dir=runs_dir, overrides=options.overrides, trust_plugins=options.trust_plugins)
    with timeline.spent("data"):
        datasets = load_data(members)
        join_datasets(datasets, [member.folder.id for member in members])  # what does not fit is reported first
    if weighting == "greedy":
        check_has_validation(members, datasets)
    start_tensorflow()
    with timeline.spent("build"):
        has_out_of_fold = _has_out_of_fold(members, datasets)
        predicts = weighting == "greedy" or has_out_of_fold
        trained = [_load(*pair, predicts=predicts) for pair in zip(members, datasets, strict=True)]
    chosen = equal_weights(len(members))
    if weighting == "greedy":
        main = members[0].interface.target.main_level
        chosen = greedy_weights(members, datasets, [each.main_predictions(main) for each in trained])
    composed = compose_spec(members, chosen.values, name=options.name, has_validation=_has_validation(datasets))
    notes = [*composed.notes, *_notes(members, datasets, chosen)]
    kept = [index for index, weight in enumerate(chosen.values) if weight > 0]
    dataset = join_datasets([datasets[index] for index in kept])
    measure = None
    if has_out_of_fold:
        found = [trained[index].all_predictions for index in kept]
        weights = [chosen.values[index] for index in kept]
        measure = partial(out_of_fold_scores, [datasets[index] for index in kept], found, weights)
    held = new_folder(composed.file, runs_dir)
    with open_session(held, listener=listener, timeline=timeline, cluster=ALONE) as session:
        with session.recording(composed.file) as run:
            announce_run(run)
            warn_of_signature(run)
            for note in notes:
                run.listener(Note("ensemble", note))
            run.folder.update_record(ensemble=_record(members, trained, chosen, notes).model_dump())
            parts = [trained[index] for index in kept]
            scores = _assemble_and_score(composed.file, dataset, parts, run, measure=measure)
        return run.result(scores)


def _load(member: MemberRun, dataset: Dataset, *, predicts: bool) -> TrainedMember:
    """Load the final variables of a member, and predict its validation split if that is needed."""
    from dlrun.training.trained import load_trained
    from dlrun.training.variables import host_value

    trained = load_trained(member.folder, member.spec, checkpoint="final", listener=silent)
    variables = tuple(host_value(variable).copy() for variable in trained.core.variables)
    predictions = None
    if predicts:
        predictor, features = trained.predictor(), dataset.splits["validation"].features
        if predictor.target.levels:
            predictions = predictor.in_own_unit(predictor.learned(features))
        elif predictor.target.kind == "values":
            predictions = predictor.precise(features)[:, None]
        else:
            predictions = predictor(features)
    return TrainedMember(variables, trained.checkpoint, predictions)


def _assemble_and_score(
    file: SpecFile,
    dataset: Dataset,
    members: Sequence[TrainedMember],
    run: Session,
    *,
    measure: Callable[..., ConformalScores | None] | None,
) -> Scores:
    """Build the ensemble, give it the variables of its members, and write, score and report it."""
    from dlrun.training.setup import assemble
    from dlrun.training.variables import weights_sha256

    try:
        setup = assemble(file, listener=only_warnings(run.listener), timeline=run.timeline, dataset=dataset)
        _assign(setup, members)
        jit = Choice(value="off", reason="nothing is trained")
        record_choices(run.folder, setup, jit=jit, environment=setup.environment())
        with run.timeline.spent("save"):
            checkpoint = _write_checkpoint(setup, run)
        setup = decide(setup, run, checkpoint=checkpoint)
        scores = score_held_out(setup, run)
        if measure is None:
            keep_intervals(setup, run.folder)
        elif (conformal := measure(target=setup.target)) is not None:
            keep_measured(setup, run.folder, conformal)
        record_outcome(run.folder, scores, weights_sha256=weights_sha256(setup.compiled.model), reason="")
        predict_for_report(setup, run)
    finally:
        seconds = record_time(run.folder, run.timeline)
    run.listener(TimeSpent(seconds))
    return scores


def _assign(setup: TrainingSetup, members: Sequence[TrainedMember]) -> None:
    """Give each network of the ensemble the variables of its member.

    Raises:
        RunError: They do not fit, because a plugin builds another network each time.
    """
    from dlrun.models.ensemble.network import member_name

    for index, member in enumerate(members):
        network = setup.compiled.core.get_layer(member_name(index))
        shapes = [tuple(variable.shape) for variable in network.variables]
        if shapes != [each.shape for each in member.variables]:
            raise RunError(f"the network of member {index + 1} has other variables inside the ensemble")
        for variable, value in zip(network.variables, member.variables, strict=True):
            variable.assign(value)


def _write_checkpoint(setup: TrainingSetup, run: Session) -> str:
    """Write the only checkpoint of the run, before the first step of a training that never begins.

    Returns:
        Its name.
    """
    from dlrun.training.checkpoints.checkpoint import step_name, write_checkpoint
    from dlrun.training.state import TrainingState
    from dlrun.training.variables import HostValues

    state, values = TrainingState(), HostValues(setup.compiled.model)
    path = write_checkpoint(
        run.folder.checkpoints,
        step_name(state.step),
        arrays=values,
        specs=values.specs(),
        state={"training": state.to_json()},
    )
    record_progress(run.folder, state)
    return path.name


def _has_validation(datasets: Sequence[Dataset]) -> bool:
    return "validation" in datasets[0].splits and shares_validation(datasets)


def _has_out_of_fold(members: Sequence[MemberRun], datasets: Sequence[Dataset]) -> bool:
    """Return whether intervals can be measured with predictions out of fold: of numbers, never of the test split."""
    return (
        members[0].interface.target.kind == "values"
        and not shares_validation(datasets)
        and all("validation" in dataset.splits for dataset in datasets)
        and all(member.spec.dataset.validation != "test" for member in members)
    )


def _notes(members: Sequence[MemberRun], datasets: Sequence[Dataset], chosen: MemberWeights) -> list[str]:
    """Return what the user should know about the ensemble, one sentence each."""
    shown = ", ".join(
        f"{member.folder.id} {weight:.3g}" for member, weight in zip(members[:_SHOWN], chosen.values, strict=False)
    )
    notes = [f"weights: {chosen.reason}", f"members: {shown}" + (", ..." if len(members) > _SHOWN else "")]
    if not _has_validation(datasets):
        mean = validation_scores(members)
        beside = ", ".join(f"{name} {value:.4g}" for name, value in mean.items() if value is not None)
        notes.append(
            "validation: the ensemble has no validation score, because each example was used to train some member; "
            f"the mean over the members is {beside or 'not known'}"
        )
    if _has_out_of_fold(members, datasets):
        notes.append("intervals: measured with the predictions of each example by the members not trained on it")
    return notes


def _record(
    members: Sequence[MemberRun], trained: Sequence[TrainedMember], chosen: MemberWeights, notes: Sequence[str]
) -> EnsembleRecord:
    return EnsembleRecord(
        method=chosen.method,
        notes=tuple(notes),
        validation=dict(validation_scores(members)),
        members=tuple(
            EnsembleMemberRecord(
                id=member.folder.id,
                weight=weight,
                checkpoint=each.checkpoint,
                weights_sha256=member.record.weights_sha256,
                spec_sha256=member.record.spec_sha256,
                validation=member.record.result.get("validation", {}),
            )
            for member, each, weight in zip(members, trained, chosen.values, strict=True)
        ),
    )
