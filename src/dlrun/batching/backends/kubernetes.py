"""Write a Kubernetes manifest for the runs of a batch: an Indexed Job, each of whose pods trains or resumes one run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from dlrun.errors import UsageError

_MOST_BYTES = 100_000
"""The length of the script: the kernel permits 128 KiB for one argument of a program."""
_GRACE_SECONDS = 120
"""How long a pod that has to go may take for its checkpoint."""
_WORK = "/work"
_HEAD = """\
# {runs} runs of dlrun as an Indexed Job. A pod trains its run, resumes it, or skips it if it is complete.
# Before `kubectl create -f` put in the image, and the claim of a volume that all pods may write. The volume is the
# folder to work in: configs, data and plugins lie in it as they do here, and the runs will.
"""


@dataclass(frozen=True)
class IndexedJob:
    """The Job of a batch.

    Args:
        runs: For each run its label, and its arguments for `dlrun batch`.
        runs_dir: The folder for runs, in the folder to work in.
        at_once: How many pods may run at a time; None for any number.
        retries: How often to try a failed run again.
        options: Further options of `dlrun batch`.
        gpus: GPUs for each run; None for none.
        cpus: CPU cores for each run; None for any.
    """

    runs: tuple[tuple[str, tuple[str, ...]], ...]
    runs_dir: Path
    at_once: int | None = None
    retries: int = 0
    options: tuple[str, ...] = ()
    gpus: float | None = None
    cpus: float | None = None

    def manifest(self) -> str:
        """Return the manifest as YAML.

        Raises:
            UsageError: There are too many runs for one Job, a path leads out of the folder to work in, or there is no
                such part of a GPU.
        """
        outside = [path for path in (str(self.runs_dir), *(run[1][0] for run in self.runs)) if _leads_out(path)]
        if outside:
            raise UsageError(
                f"{outside[0]} leads out of the folder to work in, which is the volume of the pods",
                expected="relative paths below it: --runs-dir runs, and configs such as configs/x.yaml",
            )
        if len(self._script.encode()) > _MOST_BYTES:
            message = f"{len(self.runs)} runs are too many for one Job"
            raise UsageError(message, hint="give fewer configs or seeds at a time: --seeds 0,1,2")
        if self.gpus is not None and self.gpus != int(self.gpus):
            message = f"--gpus-per-run is {self.gpus:g}, but Kubernetes gives whole GPUs"
            raise UsageError(message, expected="a whole number")
        text = yaml.dump(self._job, Dumper=_Blocks, sort_keys=False, width=10_000, allow_unicode=True)
        return _HEAD.format(runs=len(self.runs)) + text

    @property
    def _script(self) -> str:
        cases = "".join(
            f"  {index}) set -- {shlex.join(arguments)} ;;\n" for index, (_, arguments) in enumerate(self.runs)
        )
        options = shlex.join(("--runs-dir", str(self.runs_dir), "--jobs", "1", "--quiet", *self.options))
        return (
            f'case "$JOB_COMPLETION_INDEX" in\n{cases}esac\n'
            "# Train the run of this pod, resume it, or skip it if it is complete.\n"
            f'exec dlrun batch "$@" {options}\n'
        )

    @property
    def _job(self) -> dict[str, Any]:
        count = len(self.runs)
        digest = sha256(json.dumps([self.runs, str(self.runs_dir)]).encode()).hexdigest()[:10]
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": f"dlrun-{digest}", "labels": {"app.kubernetes.io/name": "dlrun"}},
            "spec": {
                "completionMode": "Indexed",
                "completions": count,
                "parallelism": min(count, self.at_once or count),
                "backoffLimitPerIndex": self.retries,
                "maxFailedIndexes": count,
                "podFailurePolicy": {"rules": _FAILURE_RULES},
                "template": {
                    "metadata": {"labels": {"app.kubernetes.io/name": "dlrun"}},
                    "spec": {
                        "restartPolicy": "Never",
                        "terminationGracePeriodSeconds": _GRACE_SECONDS,
                        "containers": [self._container],
                        "volumes": [{"name": "work", "persistentVolumeClaim": {"claimName": "dlrun"}}],
                    },
                },
            },
        }

    @property
    def _container(self) -> Mapping[str, Any]:
        wanted = {"nvidia.com/gpu": self.gpus and str(int(self.gpus)), "cpu": self.cpus and f"{self.cpus:g}"}
        resources = {name: value for name, value in wanted.items() if value}
        return {
            "name": "run",
            "image": "dlrun:latest",
            "workingDir": _WORK,
            "command": ["sh", "-c", self._script],
            # The secret that runs are signed with: a run is only resumed where the signature is one's own.
            "env": [{"name": "DLRUN_STATE", "value": f"{_WORK}/.dlrun"}],
            **({"resources": {"requests": resources, "limits": resources}} if resources else {}),
            "volumeMounts": [{"name": "work", "mountPath": _WORK}],
        }


_FAILURE_RULES = [
    # A pod that was preempted or drained comes back without counting as a failure, and resumes its run.
    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
    # A wrong spec or missing data will be no better a second time.
    {"action": "FailIndex", "onExitCodes": {"containerName": "run", "operator": "In", "values": [2, 3]}},
]


def _leads_out(path: str) -> bool:
    return Path(path).is_absolute() or ".." in Path(path).parts


class _Blocks(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that a person can read the script."""


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Blocks.add_representer(str, _represent)
