"""Find out which processes train one model together, from the environment: TF_CONFIG or Slurm's variables.

This module does not import TensorFlow: which process writes the run folder must be known before TensorFlow starts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dlrun.errors import UsageError

LAUNCHED = "DLRUN_LAUNCHED"
"""An environment variable that `dlrun launch` sets for the processes it starts."""
_HINT = "dlrun launch --workers N sets it for workers on one machine; unset TF_CONFIG to train in this process alone"


@dataclass(frozen=True)
class Cluster:
    """The workers that train together, and which of them this process is.

    Args:
        workers: The number of workers.
        index: The index of this worker, from 0. Worker 0 is the chief, the only one that writes files.
        launched: Whether `dlrun launch` has started the workers.
        slurm: Whether Slurm has started them; their addresses are still to be resolved.
    """

    workers: int = 1
    index: int = 0
    launched: bool = False
    slurm: bool = False

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run folder and the messages to the user."""
        return self.index == 0

    def resume_command(self, run_id: str) -> str:
        """Return the command that resumes a run of these workers.

        Args:
            run_id: The run.
        """
        return f"dlrun launch --workers {self.workers} --resume {run_id}" if self.launched else f"dlrun resume {run_id}"


ALONE = Cluster()


def read_cluster(environ: Mapping[str, str] = os.environ) -> Cluster:
    """Return the cluster that this process belongs to; without such variables, a cluster of this process alone.

    Args:
        environ: The environment variables.

    Raises:
        UsageError: TensorFlow or Slurm would not understand the variables either.
    """
    if text := environ.get("TF_CONFIG", "").strip():
        return _of_tf_config(text, launched=bool(environ.get(LAUNCHED)))
    tasks = environ.get("SLURM_STEP_NUM_TASKS", "1")
    if tasks.isdecimal() and int(tasks) > 1:
        index = environ.get("SLURM_PROCID", "")
        if not index.isdecimal() or int(index) >= int(tasks):
            message = f"SLURM_STEP_NUM_TASKS is {tasks}, but SLURM_PROCID is {index!r}"
            raise UsageError(
                message, expected="the number of this task, as srun sets it", hint="srun dlrun train CONFIG"
            )
        return Cluster(int(tasks), int(index), slurm=True)
    return ALONE


def _of_tf_config(text: str, *, launched: bool) -> Cluster:
    try:
        config = json.loads(text)
    except ValueError as error:
        raise _wrong(f"it is not valid JSON: {error}") from error
    cluster, task = (config.get("cluster"), config.get("task")) if isinstance(config, dict) else (None, None)
    if cluster is None and isinstance(config, dict):
        return ALONE
    jobs = _jobs(cluster)
    workers = [(job, index) for job in ("chief", "worker") for index in range(len(jobs.get(job, ())))]
    if len(workers) == 1:
        return ALONE
    job, index = (task.get("type"), task.get("index")) if isinstance(task, dict) else (None, None)
    if isinstance(index, str) and index.isdecimal():
        index = int(index)
    if not isinstance(job, str) or not isinstance(index, int) or (job, index) not in workers:
        listed = ", ".join(f"{name} {number}" for name, number in workers[:8])
        raise _wrong(f"its task is {task!r}, but the cluster has {listed}")
    return Cluster(len(workers), workers.index((job, index)), launched=launched)


def _jobs(cluster: Any) -> dict[str, list[str]]:
    if not isinstance(cluster, dict) or not cluster:
        raise _wrong("its cluster is not a mapping from jobs to addresses")
    for job, addresses in cluster.items():
        if job not in ("chief", "worker"):
            raise _wrong(f"its cluster has the job {job!r}, but dlrun only supports the jobs chief and worker")
        if not isinstance(addresses, list) or not all(_is_address(address) for address in addresses):
            raise _wrong(f"the addresses of {job!r} are {addresses!r}")
        if len(set(addresses)) < len(addresses):
            raise _wrong(f"an address of {job!r} appears twice")
    if len(cluster.get("chief", ())) > 1 or not any(cluster.values()):
        raise _wrong("its cluster has more than one chief, or no workers")
    return cluster


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and value.rpartition(":")[2].isdecimal()


def _wrong(message: str) -> UsageError:
    expected = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'
    return UsageError(f"TF_CONFIG is not valid: {message}", expected=expected, hint=_HINT)
