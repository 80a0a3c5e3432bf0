"""Join runs into an ensemble: runs that the user names, or those of complete folds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dlrun.batching.folds.record import read_folds
from dlrun.errors import UsageError
from dlrun.experiment.ensemble.join import EnsembleOptions, join_runs
from dlrun.experiment.session import TrainingResult
from dlrun.runs import RUNS_DIR
from dlrun.spec.parse import override_list
from dlrun.training.progress.events import Listener, silent


def ensemble(  # noqa: PLR0913  an option each, by keyword
    runs: str | Path | Sequence[str | Path] = (),
    *,
    folds: str | Sequence[str] = (),
    weights: str = "mean",
    name: str = "ensemble",
    overrides: str | Sequence[str] = (),
    trust_plugins: bool = False,
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
) -> TrainingResult:
    """Join trained runs into one run, whose model returns the weighted mean of their predictions.

    The new run has copies of everything that it needs; the members can be removed.

    Args:
        runs: The runs: ids, parts of ids, paths, `last`, or `best:KEY`.
        folds: Complete folds whose runs to join, instead of `runs` or besides them: the name of their folder in
            `runs/folds`, a part of it, a path, or `last`; or several.
        weights: `mean` for equal weights, or `greedy` to choose them on validation data.
        name: The name of the new run.
        overrides: `key=value` each, for the dataset section of every member, such as a new path of the data.
        trust_plugins: Whether to load the plugins, which are code, of runs that were made elsewhere.
        runs_dir: The folder to look for runs in, and to make the new one in.
        listener: Called with every event.

    Returns:
        The run folder, the scores of the ensemble, and the content of run.json.

    Raises:
        UsageError: A run does not exist or is not complete, or the runs do not predict the same.
        DataError: The data is missing or has changed, or the runs have different test splits.
        SpecError: The spec of a member is damaged, or the name is not valid.
        CheckpointError: A checkpoint is damaged.
        RunError: A run is damaged.
    """
    named = [str(runs)] if isinstance(runs, str | Path) else [str(run) for run in runs]
    for batch in [folds] if isinstance(folds, str) else folds:
        named += [str(run.path) for run in read_folds(batch, runs_dir=Path(runs_dir)).runs]
    if not named:
        raise UsageError("no runs are given", expected="runs, or complete folds", hint="dlrun ensemble RUN RUN")
    options = EnsembleOptions(weights, name, override_list(overrides), trust_plugins)
    return join_runs(named, options, runs_dir=Path(runs_dir), listener=listener)
