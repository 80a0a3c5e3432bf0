"""A YAML file in, a trained and evaluated run folder out: the stages in their order, one call for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.errors import RunError, UsageError
from dlrun.recording import create_folder, record_choices, record_outcome, recorded
from dlrun.runs.catalog import find_run
from dlrun.runs.folder import RunFolder
from dlrun.spec.parse import read_spec
from dlrun.spec.types import Spec
from dlrun.training.progress import Evaluated, Listener, Note, RunCreated, TrainingDone, TrainingStarted, silent

if TYPE_CHECKING:
    from dlrun.training.assembly import Assembly
    from dlrun.training.plan import Plan
    from dlrun.training.state import TrainingState

RUNS_DIR = Path("runs")
Scores = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Result:
    """What a training leaves.

    Args:
        folder: The run folder.
        scores: By split, of the final model.
        record: The content of run.json.
    """

    folder: RunFolder
    scores: Scores
    record: Mapping[str, Any]


def train(
    config: str | Path,
    *,
    overrides: tuple[str, ...] = (),
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
) -> Result:
    """Train the model that a YAML file describes.

    Args:
        config: The file.
        overrides: `key=value` each, as `--set` takes them.
        runs_dir: Where the run folder is made.
        listener: Called with every event.

    Raises:
        SpecError: The spec is wrong.
        DataError: The data is missing or wrong.
        RunError: The training failed; the run folder tells how far it came.
        Interrupted: The user stopped it.
    """
    file = read_spec(Path(config), overrides)
    folder = create_folder(file, Path(runs_dir))
    with folder.lock(), recorded(folder):
        listener(RunCreated(folder.id, folder.path, folder.log_txt))
        from dlrun.training.assembly import assemble  # TensorFlow starts here
        from dlrun.training.variables import weights_sha256

        assembly = assemble(file, listener=listener)
        record_choices(folder, assembly)
        state = _train(assembly, folder, listener)
        weights = weights_sha256(assembly.compiled.model)
        _restore(assembly, folder, "final")
        scores = _evaluate(assembly, _held_out_splits(assembly), listener)
        record_outcome(folder, state, scores, weights_sha256=weights)
    return Result(folder, scores, folder.read_record().model_dump(mode="json"))


def evaluate(  # noqa: PLR0913  each is one question that a user may have
    run: str | Path,
    *,
    split: str = "test",
    checkpoint: str = "final",
    overrides: tuple[str, ...] = (),
    trust_plugins: bool = False,
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
) -> Scores:
    """Score the model of a run.

    Args:
        run: As `find_run` takes it.
        split: `train`, `validation`, `test`, or `all`.
        checkpoint: `final` (what training ended with), `last`, `best`, or a checkpoint's name.
        overrides: `key=value` each: another batch size, the data's new place.
        trust_plugins: Whether the run's plugins, which are code, may be loaded.
        runs_dir: Where runs are looked for.
        listener: Called with every event.

    Returns:
        Scores by split.

    Raises:
        UsageError: There is no such run, split or checkpoint.
        CheckpointError: The checkpoint is damaged, or not of this model.
    """
    folder = find_run(str(run), runs_dir=Path(runs_dir))
    file = read_spec(folder.spec_yaml, overrides, trust_plugins=trust_plugins)
    from dlrun.training.assembly import assemble

    assembly = assemble(file, listener=silent)
    splits = assembly.dataset.splits
    if split != "all" and split not in splits:
        raise UsageError(f"the data has no split {split!r}", expected="one of " + ", ".join((*splits, "all")))
    recorded_data = folder.read_record().dataset
    if recorded_data is not None and recorded_data.fingerprint != assembly.dataset.fingerprint:
        listener(Note("warning", f"{assembly.dataset.name} is not the data that the run was trained on"))
    listener(Note("checkpoint", str(_restore(assembly, folder, checkpoint))))
    return _evaluate(assembly, splits if split == "all" else (split,), listener)


def plan(config: str | Path, *, overrides: tuple[str, ...] = ()) -> Plan:
    """Describe what `train` would train: layers, shapes, parameters, memory.

    Raises:
        SpecError: The spec is wrong.
        DataError: The data is missing or wrong.
    """
    file = read_spec(Path(config), overrides)
    from dlrun.training.assembly import assemble
    from dlrun.training.plan import make_plan

    return make_plan(assemble(file, listener=silent))


def _train(assembly: Assembly, folder: RunFolder, listener: Listener) -> TrainingState:
    from dlrun.training.loop import Job, Trainer

    job = Job(
        spec=assembly.spec,
        compiled=assembly.compiled,
        train=assembly.training_feed(),
        validation=assembly.evaluator("validation") if "validation" in assembly.dataset.splits else None,
        length=assembly.length,
        folder=folder,
        strategy=assembly.strategy,
    )
    examples = {name: len(split) for name, split in assembly.dataset.splits.items()}
    parameters, length = assembly.compiled.model.count_params(), assembly.length
    listener(TrainingStarted(parameters, examples, length.epochs, length.steps))
    state = Trainer(job, listener).train()
    listener(TrainingDone(state.stopped, state.seconds))
    return state


def _evaluate(assembly: Assembly, splits: Iterable[str], listener: Listener) -> dict[str, dict[str, float]]:
    scores = {}
    for split in splits:
        scores[split] = assembly.evaluator(split).scores()
        listener(Evaluated(split, scores[split]))
    return scores


def _held_out_splits(assembly: Assembly) -> tuple[str, ...]:
    """What the final model is scored on: everything it was not trained on, or the training split if that is all."""
    return tuple(name for name in assembly.dataset.splits if name != "train") or ("train",)


def _restore(assembly: Assembly, folder: RunFolder, name: str) -> Path:
    """Give the model the variables of a checkpoint, and say which one it was."""
    from dlrun.training.checkpoint import BEST, newest_valid, read_checkpoint
    from dlrun.training.variables import assign_arrays, average_variables

    if name == "final":
        name = BEST if _ends_with_best(assembly.spec) else "last"
    if name == "last":
        found = newest_valid(folder.checkpoints)
        if found is None:
            raise RunError(f"{folder.path} has no checkpoint", hint="nothing was saved before it ended: train it again")
        path, checkpoint = found.path, found.checkpoint
    else:
        path = folder.checkpoints / name
        if not path.is_dir():
            there = sorted(entry.name for entry in folder.checkpoints.glob("[!.]*"))
            raise UsageError(f"the run has no checkpoint {name!r}", expected="one of " + ", ".join(("last", *there)))
        checkpoint = read_checkpoint(path)
    # The optimizer's variables are of no use to a model that only predicts, except for the averages that use_ema keeps.
    uses_ema = bool(assembly.spec.optimizer.plain().get("use_ema"))
    parts = ("model", "optimizer") if uses_ema else ("model",)
    assign_arrays(assembly.compiled.model, checkpoint.arrays, parts=parts)
    average_variables(assembly.compiled.model)
    return path


def _ends_with_best(spec: Spec) -> bool:
    return spec.training.early_stopping is not None and spec.training.early_stopping.restore_best
