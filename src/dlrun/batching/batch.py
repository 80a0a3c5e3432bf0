"""Train the runs of a batch, each in a process of its own, with as many at a time as there are slots."""

from __future__ import annotations

from dlrun.batching.crew import crew_started
from dlrun.batching.folds.write import write_complete_folds
from dlrun.batching.plan import check_metric, plan_batch
from dlrun.batching.slots import make_slots
from dlrun.batching.state import BatchListener, unheard
from dlrun.batching.table import BatchTable, make_table
from dlrun.batching.engine import BatchOptions, Work
from dlrun.errors import UsageError
from dlrun.training.devices.cluster import read_cluster


def run_batch(wanted: BatchOptions, *, listener: BatchListener = unheard) -> BatchTable:
    """Train every combination that is not complete already, even if others fail.

    Args:
        wanted: The runs, and how to train them.
        listener: Receives every change.

    Returns:
        The table of all runs with their scores, or the reason why a run failed.

    Raises:
        SpecError: A config is wrong; nothing was trained.
        UsageError: The command line is wrong; nothing was trained.
        RunError: The folder for runs is not writable, or TensorFlow cannot be imported.
        Interrupted: The user stopped the batch; each run has a checkpoint to resume from.
    """
    if read_cluster().workers > 1:
        message = "the environment names several workers, but each run of a batch trains in one process"
        raise UsageError(message, hint="unset TF_CONFIG, or start the batch in a single task of srun")
    planned = plan_batch(wanted.combinations, trust_plugins=wanted.trust_plugins)
    specs = [each.spec for each in planned]
    if wanted.metric:
        check_metric(wanted.metric, specs)
    work = Work(wanted, planned, slots=make_slots(specs, jobs=wanted.jobs), listener=listener)
    if not work.is_over:
        with crew_started() as crew:
            work.go_on(crew)
    work.close()
    states = tuple(work.states.values())
    folds = write_complete_folds(states, runs_dir=wanted.runs_dir)
    return make_table(states, metric=wanted.metric, folds=folds)
