"""Call Slurm's commands: submit arrays, ask for their states, cancel and requeue them.

A command may take a long time while the controller does not answer, so a crew starts it and looks later whether it has
ended. No command is tried again here: whether that is safe depends on the command.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import IO

from dlrun.errors import RunError, UsageError
from dlrun.system.interpreter import python_environment

_SECONDS = 60.0
"""How long a command may take: Slurm's own commands give up sooner, unless their network does not."""
_KEPT = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT")
_OWN_INPUTS = frozenset(
    f"SBATCH_{name}"
    for name in (
        "ARRAY_INX", "COMMENT", "ERROR", "JOB_NAME", "NO_REQUEUE", "OPEN_MODE", "OUTPUT", "REQUEUE", "SIGNAL", "WAIT",
    )
)  # fmt: skip
_NO_ANSWER = re.compile(
    r"unable to contact|socket timed out|connection (refused|timed out|reset)|connect failure|zero bytes were"
    r"|transport endpoint|communication (connection )?failure|not responding|took longer than",
    re.IGNORECASE,
)
_TOO_MANY = re.compile(
    r"MaxSubmit|submit limit|accounting/QOS policy|temporarily unable|maximum (job )?count|MaxJobCount", re.IGNORECASE
)


@dataclass(frozen=True)
class Reply:
    """What a command has answered.

    Args:
        code: Its exit code; None if it was stopped because it took too long.
        out: Its standard output.
        err: Its standard error, or why there is none.
    """

    code: int | None
    out: str
    err: str

    @property
    def is_good(self) -> bool:
        """Whether the command has done what it was asked to."""
        return self.code == 0

    @property
    def is_unanswered(self) -> bool:
        """Whether the controller may not have heard the request, or has and its answer was lost."""
        return self.code is None or (self.code != 0 and bool(_NO_ANSWER.search(self.err)))

    @property
    def exceeds_limit(self) -> bool:
        """Whether a submission was refused because of how many jobs there may be."""
        return not self.is_good and bool(_TOO_MANY.search(self.err))

    @property
    def reason(self) -> str:
        """Why it has failed, in the words of the command."""
        lines = [re.sub(r"^\w+(: (error|fatal):| error:) ", "", line) for line in self.err.splitlines() if line.strip()]
        return "; ".join(dict.fromkeys(lines)) or f"exit code {self.code}"


class Call:
    """A command that is running.

    Args:
        arguments: The command line.
    """

    def __init__(self, *arguments: str) -> None:
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115  closed by `reply`
        self._name = arguments[0]
        self._deadline = time.monotonic() + _SECONDS
        self.began = time.monotonic()
        try:
            self._process: subprocess.Popen[bytes] | None = subprocess.Popen(  # noqa: S603  a command of Slurm, without a shell
                arguments,
                env=client_environment(),
                stdin=subprocess.DEVNULL,
                stdout=self._out,
                stderr=self._err,
                start_new_session=True,  # so that Ctrl-C does not cut off a submission
            )
        except OSError as error:
            self._process, self._failure = None, f"{self._name} cannot be started: {error.strerror}"

    def reply(self) -> Reply | None:
        """Return the answer, once there is one."""
        if self._process is None:
            return Reply(127, "", self._failure)
        code = self._process.poll()
        if code is None and time.monotonic() < self._deadline:
            return None
        if code is None:
            self._process.kill()
            self._process.wait()
        late = "" if code is not None else f"{self._name} took longer than {_SECONDS:g} s"
        return Reply(code, _read(self._out), _read(self._err) or late)

    def wait(self) -> Reply:
        """Wait for the answer."""
        while (reply := self.reply()) is None:
            time.sleep(0.005)
        return reply


def _read(file: IO[bytes]) -> str:
    with file:
        file.seek(0)
        return file.read().decode(errors="replace")


def client_environment() -> dict[str, str]:
    """Return the environment for Slurm's commands, which is also that of the jobs.

    Without the variables that would change what a job is or how squeue prints: those of a job that this process may be
    part of, and those that would override a line of the script.
    """
    return {
        name: value
        for name, value in python_environment().items()
        if name in _KEPT or not (name.startswith(("SLURM_", "SQUEUE_", "SCANCEL_")) or name in _OWN_INPUTS)
    }


def check_commands() -> None:
    """Check that Slurm's commands are installed.

    Raises:
        UsageError: One of them is not.
    """
    missing = [name for name in ("sbatch", "squeue", "scancel", "scontrol") if shutil.which(name) is None]
    if missing:
        raise UsageError(
            f"--on slurm needs Slurm's commands; not found: {', '.join(missing)}",
            expected="a machine from which jobs are submitted, such as a login node",
            hint="--dry-run writes the script without them",
        )


USUAL_ARRAY = 1001
"""How many tasks one array may have unless a site has changed that."""


def largest_array() -> int:
    """Return how many tasks one array may have.

    Raises:
        RunError: The controller does not answer, or permits no arrays.
    """
    reply = Call("scontrol", "show", "config").wait()
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", reply.out, re.MULTILINE)
    if not reply.is_good or found is None:
        hint = "sinfo shows whether the controller answers; the same command goes on with what is in the queue"
        raise RunError(f"Slurm does not say how it is configured: {reply.reason}", hint=hint)
    if (size := int(found[1])) < 2:
        raise RunError(f"this Slurm has no job arrays: its MaxArraySize is {size}", hint="ask its administrator")
    return size


# Each field has a fixed width, because a reason may have spaces and a comment any separator.
_FIELDS = {
    "ArrayJobID": 20, "ArrayTaskID": 20, "State": 20, "exit_code": 12, "RestartCnt": 12, "NodeList": 64, "Reason": 64,
    "Comment": 64,
}  # fmt: skip
SQUEUE_FORMAT = ",".join(f"{name}:.{width}" for name, width in _FIELDS.items())


@dataclass(frozen=True)
class QueuedTask:
    """A task of an array, as squeue shows it.

    Args:
        job: The id of the array.
        index: Its index in the array; -1 for all those that were cancelled before they started.
        state: Its state, such as `PENDING`, `RUNNING`, or `FAILED` in the first minutes after its end.
        status: Its exit status, as `os.waitpid` gives it.
        restarts: How often it was requeued.
        node: The node that it runs on or ran on.
        reason: Why it waits, or why it has failed.
        comment: The comment of the array.
    """

    job: str
    index: int
    state: str
    status: int
    restarts: int
    node: str
    reason: str
    comment: str

    @property
    def id(self) -> str:
        """Its id for Slurm's commands."""
        return f"{self.job}_{self.index}"


def start_squeue(name: str) -> Call:
    """Ask for the states of all tasks of the arrays with a name, in one request that the controller answers quickly.

    Args:
        name: The name of the jobs.
    """
    # Without --me, squeue would ask the controller for the jobs of all users.
    return Call(
        "squeue", "--me", "--noheader", "--array", "--states=all", f"--name={name}", f"--Format={SQUEUE_FORMAT}"
    )


def parse_squeue(text: str) -> list[QueuedTask]:
    """Return the tasks in squeue's answer.

    Args:
        text: The answer.
    """
    found = []
    for line in text.splitlines():
        values, start = [], 0
        for width in _FIELDS.values():
            values.append(line[start : start + width].strip())
            start += width
        job, index, state, status, restarts, node, reason, comment = values
        number = int(index) if index.isdecimal() else -1
        found.append(QueuedTask(job, number, state, int(status or 0), int(restarts or 0), node, reason, comment))
    return found
