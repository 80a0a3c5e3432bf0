"""Combinations in, each trained in a process of its own, with as many at a time as there are slots; a table out."""

from __future__ import annotations

from dlrun.batching.crew import crew_started
from dlrun.batching.plan import check_metric, plan_batch
from dlrun.batching.slots import make_slots
from dlrun.batching.state import BatchListener, unheard
from dlrun.batching.table import BatchTable, make_table
from dlrun.batching.wanted import BatchOptions
from dlrun.batching.work import Work
from dlrun.errors import UsageError
from dlrun.training.devices.cluster import read_cluster


def run_batch(wanted: BatchOptions, *, listener: BatchListener = unheard) -> BatchTable:
    """Train every combination that is not complete already, whatever becomes of the others.

    Args:
        wanted: The runs, and how.
        listener: Called with every change.

    Returns:
        Every run with its scores; of those that failed, why.

    Raises:
        SpecError: A config is wrong; nothing was trained.
        UsageError: The command line is.
        RunError: The folder of the runs cannot be written, or TensorFlow cannot be imported.
        Interrupted: The user stopped it; each run has a checkpoint to go on from.
    """
    if read_cluster().workers > 1:
        said = "the environment names several workers, and each run of a batch is trained by one process"
        raise UsageError(said, hint="unset TF_CONFIG, or one task of srun")
    planned = plan_batch(wanted.combinations, trust_plugins=wanted.trust_plugins)
    specs = [each.spec for each in planned]
    if wanted.metric:
        check_metric(wanted.metric, specs)
    work = Work(wanted, planned, slots=make_slots(specs, jobs=wanted.jobs), listener=listener)
    if not work.is_over:
        with crew_started() as crew:
            work.go_on(crew)
    work.close()
    return make_table(tuple(work.states.values()), metric=wanted.metric)
