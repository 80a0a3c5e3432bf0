"""Write what would train the runs of a batch elsewhere, and submit nothing: Slurm's scripts, or a Kubernetes Job."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from dlrun.batching.backends.backend import BackendRequest
from dlrun.batching.backends.choose import name_of
from dlrun.batching.backends.kubernetes import IndexedJob
from dlrun.batching.backends.slurm.backend import array_script, check_options
from dlrun.batching.backends.slurm.client import USUAL_ARRAY, largest_array
from dlrun.batching.backends.slurm.tasks import request_key
from dlrun.batching.batch import BatchOptions, BatchSource
from dlrun.batching.engine import EngineOptions
from dlrun.batching.plan import describe, plan_batch
from dlrun.batching.state import unheard
from dlrun.errors import RunError, UsageError


@dataclass(frozen=True)
class WrittenScripts:
    """The scripts of a batch.

    Args:
        paths: The files, one for each array; none if every run is complete.
        largest: How many tasks one array may have.
        note: Why that many, if Slurm does not say; else empty.
    """

    paths: tuple[Path, ...]
    largest: int
    note: str = ""


def write_scripts(wanted: BatchOptions) -> WrittenScripts:
    """Write the scripts of the arrays that `dlrun batch` would submit for the runs that are not complete.

    Args:
        wanted: The batch.

    Raises:
        SpecError: A config is wrong.
        UsageError: The command line is wrong.
        RunError: The folder for runs is not writable.
    """
    if (name := name_of(wanted.placement.on)) != "slurm":
        raise UsageError(f"--dry-run means nothing with --on {name}", expected="--on slurm")
    check_options(wanted.placement, jobs=wanted.jobs)
    planned = plan_batch(wanted.combinations, trust_plugins=wanted.trust_plugins)
    batch = BatchSource(wanted, planned, listener=unheard)
    options = EngineOptions(wanted.runs_dir, wanted.retries, batch.since, wanted.trust_plugins)
    requests = []
    while (order := batch.next_order(lambda _: True)) is not None:
        requests.append(replace(options.request(order), moves=True))  # as the crew submits it
    specs = [each.spec for each in planned]
    script = array_script(BackendRequest(wanted.placement, specs, jobs=wanted.jobs, folder=batch.folder))
    try:
        largest, note = largest_array(), ""
    except RunError as error:
        largest, note = USUAL_ARRAY, f"{error.what}; {USUAL_ARRAY} tasks for each array are the usual limit"
    # A second dry run writes the same files again, and not more of them.
    known = {tuple(map(request_key, script.folder.requests(array))): array for array in script.folder.arrays()}
    paths = []
    for start in range(0, len(requests), largest):
        part = requests[start : start + largest]
        array = known.get(tuple(map(request_key, part))) or script.folder.add_array(part)
        paths.append(script.write(array, part))
    return WrittenScripts(tuple(paths), largest, note)


def job_manifest(wanted: BatchOptions) -> str:
    """Return a Kubernetes manifest that trains the runs of a batch.

    Args:
        wanted: The batch.

    Raises:
        SpecError: A config is wrong.
        UsageError: The command line is wrong.
    """
    if wanted.placement.slurm:
        raise UsageError("--slurm means nothing with --on job-yaml", expected="--on slurm")
    planned = plan_batch(wanted.combinations, trust_plugins=wanted.trust_plugins)
    job = IndexedJob(
        tuple(
            (describe(each), (str(each.combination.config), *_options(each.combination.overrides))) for each in planned
        ),
        runs_dir=wanted.runs_dir,
        at_once=wanted.jobs,
        retries=wanted.retries,
        options=tuple(
            option
            for option, is_set in (("--again", wanted.again), ("--trust-plugins", wanted.trust_plugins))
            if is_set
        ),
        gpus=wanted.placement.gpus_per_run,
        cpus=wanted.placement.cpus_per_run,
    )
    return job.manifest()


def _options(overrides: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part for override in overrides for part in ("--set", override))
