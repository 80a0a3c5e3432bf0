"""Write the script of a job array: a file that sbatch takes and a person can read."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dlrun.batching.backends.slurm.options import SbatchOptions, time_limit_seconds
from dlrun.batching.backends.slurm.tasks import TaskFolder
from dlrun.batching.messages import Request
from dlrun.system.disk import disk, explained
from dlrun.system.interpreter import python_command

UNSEEN = 66
"""The exit code of a task that does not see the runs folder."""
BODY = "dlrun.cli.batch.task"
"""The module that trains or resumes the run of a task."""
_LEAD_SECONDS = 120
"""How long before its time limit a run is asked to write a checkpoint; Slurm may ask up to a minute sooner."""
_LABEL_CHARACTERS = 160


@dataclass(frozen=True)
class ArrayScript:
    """What is the same for all arrays of a driver.

    Args:
        folder: The folder of the driver, with an absolute path.
        token: The content of its token.
        options: Options of sbatch from the user.
        at_once: How many tasks may run at a time; None for any number.
        workdir: The folder in which the tasks work.
        python: The Python that the nodes run.
    """

    folder: TaskFolder
    token: str
    options: SbatchOptions = ()
    at_once: int | None = None
    workdir: Path = Path()
    python: str = field(default_factory=lambda: python_command()[0])

    @property
    def job_name(self) -> str:
        """The name of all jobs of the driver, by which squeue finds them."""
        return f"dlrun-{self.token}"

    def comment(self, array: int) -> str:
        """Return the comment of an array, by which it is recognised in the queue."""
        return f"{self.job_name}/{array:03}"

    def text(self, array: int, requests: Sequence[Request], *, after: str = "") -> str:
        """Return the script of an array.

        Args:
            array: Its number.
            requests: What its tasks train.
            after: The id of an array that has to end first.
        """
        lines = [
            "#!/bin/bash",
            "# One run of dlrun for each task of this array. Submitted again, by sbatch and the path of this file, it",
            "# skips the runs that are complete and resumes the others.",
            *(f"#SBATCH {option}" for option in self._sbatch_options(array, len(requests), after)),
            "#",
            *(f"# task {index}: {_label(request)}" for index, request in enumerate(requests)),
            "",
            f"folder={shlex.quote(str(self.folder.path))}",
            "# Every node has to see this folder and the one to work in; dlrun explains the exit code.",
            f'[ "$(cat "$folder/token")" = {shlex.quote(self.token)} ] || exit {UNSEEN}',
            f"cd {shlex.quote(str(self.workdir))} || exit {UNSEEN}",
            f'exec >>"$folder/{array:03}/$SLURM_ARRAY_TASK_ID.log" 2>&1',
            "",
            "# Train the run of this task, resume it, or skip it if it is complete.",
            f'exec {shlex.quote(self.python)} -P -m {BODY} "$folder" {array:03} "$SLURM_ARRAY_TASK_ID"',
        ]
        return "\n".join(lines) + "\n"

    def write(self, array: int, requests: Sequence[Request], *, after: str = "") -> Path:
        """Write the script of an array, and return its path; see `text`.

        Raises:
            RunError: It cannot be written.
        """
        path = self.folder.script(array)
        with explained(f"write {path}"):
            disk.write_atomically(path, self.text(array, requests, after=after).encode(errors="surrogateescape"))
        return path

    def _sbatch_options(self, array: int, size: int, after: str) -> list[str]:
        throttle = f"%{self.at_once}" if self.at_once is not None and self.at_once < size else ""
        own = {
            "job-name": self.job_name,
            "comment": self.comment(array),
            "array": f"0-{size - 1}{throttle}",
            "nodes": "1",
            "ntasks": "1",
            "requeue": "",
            "signal": f"B:USR1@{lead_seconds(self.options)}",
            "output": "/dev/null",
            **({"dependency": f"afterany:{after}"} if after else {}),
        }
        return [_option(name, value) for name, value in (*own.items(), *self.options)]


def lead_seconds(options: SbatchOptions) -> int:
    """Return how long before its time limit a run is asked to write a checkpoint: less if the limit is short.

    Args:
        options: Options of sbatch from the user.
    """
    limit = time_limit_seconds(options)
    return _LEAD_SECONDS if limit is None else max(10, min(_LEAD_SECONDS, int(limit / 5)))


def _option(name: str, value: str) -> str:
    # sbatch takes a space or # outside quotes for the end of the value; quotes themselves were refused.
    return f'--{name}="{value}"' if value else f"--{name}"


def _label(request: Request) -> str:
    text = " ".join((request.config, *request.overrides))
    return "".join(each if each.isprintable() else "?" for each in text)[:_LABEL_CHARACTERS]
