"""What a task of an array does: train its run, resume it, or skip it if it is complete, and report that in its folder.

The run trains in a child process. So a crash of it, or its end by the kernel for lack of memory, is still reported, and
this process stays to ask Slurm to requeue the task if its time is up.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from dlrun.batching.backends.slurm.tasks import TaskFolder, TaskPlace
from dlrun.batching.claim import claimed
from dlrun.batching.job import Shown, run_job
from dlrun.batching.messages import Request, send
from dlrun.errors import Interrupted
from dlrun.system.disk import disk
from dlrun.system.lease.state import lease_seconds
from dlrun.training.stop import SIGNALS, handled_signals

LIMIT_SIGNAL = signal.SIGUSR1
"""The signal that Slurm sends some time before the time limit of a task."""
_REQUEUE_ATTEMPTS, _REQUEUE_SECONDS = 5, 10.0
_LOOK_SECONDS = 1.0
_HELD_LEASES = 2
"""For how many leases to wait for a run that is held: its holder may be the machine that a requeued task has lost."""
_NO_STEP = "the time limit of the job came before the first steps of the training; ask for more: --slurm time=..."


class TaskBody:
    """One attempt at a task.

    Args:
        folder: The folder of its driver.
        place: The task.
        restart: How often it was requeued before.
        shown: Creates the listener for the log of a run; called in the process of the run.
        requeue: Asks Slurm to start the task again; returns whether Slurm will.
        pause: Waits for some seconds.
    """

    def __init__(
        self,
        folder: TaskFolder,
        place: TaskPlace,
        *,
        restart: int,
        shown: Shown,
        requeue: Callable[[], bool],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._request = folder.requests(place.array)[place.index]
        self._messages = folder.messages_file(place, restart=restart)
        self._shown = shown
        self._requeue = requeue
        self._pause = pause
        self._child = 0
        self._early: list[int] = []
        self._is_late = False
        self._is_stopped = False

    def work(self) -> int:
        """Train, and return the exit code."""
        pipe = os.open(self._messages, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        # An attempt with the same number, cut off in the middle of a line, may have been here before.
        os.write(pipe, b"\n")
        send(pipe, number=self._request.number, event="begun", host=os.uname().nodename)
        code = self._train(pipe)
        if self._is_held() and self._waits_until_free():
            code = self._train(pipe)
        is_stopped = code in {Interrupted.exit_code, *(128 + each for each in SIGNALS)}
        returns = self._is_late and is_stopped
        if returns and not self._has_trained():
            send(pipe, number=self._request.number, event="ended", how="failed", reason=_NO_STEP)
            returns = False
        send(pipe, number=self._request.number, event="exit", code=code, late=returns)
        disk.wait(pipe)
        if returns:
            self._requeue()
        return code if code >= 0 else 128 - code

    def _train(self, pipe: int) -> int:
        """Train in a child process, and return its exit code, negative for a signal."""
        self._early = []
        # Before the fork: signals are blocked in this thread only. The system would give one that comes right after the
        # fork to another thread, such as that which renews leases, and without a handler it would end this process.
        for number in SIGNALS:
            signal.signal(number, self._pass_on)
        signal.signal(LIMIT_SIGNAL, self._time_is_up)
        signal.pthread_sigmask(signal.SIG_BLOCK, (*SIGNALS, LIMIT_SIGNAL))
        self._child = os.fork()
        if not self._child:
            _become_run(self._request, pipe=pipe, shown=self._shown)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*SIGNALS, LIMIT_SIGNAL))
        for early in self._early:
            self._pass_on(early, None)
        code = os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])
        self._child = 0  # its number may be that of another process soon
        return code

    def _pass_on(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  the signal module passes it
        self._is_stopped = True
        if not self._child:
            self._early.append(number)
            return
        with suppress(ProcessLookupError):
            os.kill(self._child, number)

    def _time_is_up(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  the signal module passes it
        self._is_late = True
        self._pass_on(signal.SIGTERM, frame)

    def _has_trained(self) -> bool:
        """Return whether this attempt has come further: one that has not would be requeued for ever."""
        return any(each["event"] == "progress" and each.get("epoch", 0) > 0 for each in self._reported())

    def _is_held(self) -> bool:
        """Return whether the run was left alone because somebody else trains it."""
        ends = [each["how"] for each in self._reported() if each["event"] == "ended"]
        return bool(ends) and ends[-1] == "held"

    def _waits_until_free(self) -> bool:
        """Wait until nobody claims the run, but not for ever: whoever trains it may be alive."""
        # Here and not in the child: a lease of a machine that is lost is over for the process that has watched it.
        runs_dir = Path(self._request.runs_dir)
        for _ in range(int(_HELD_LEASES * lease_seconds() / _LOOK_SECONDS)):
            if self._is_stopped:
                return False
            with claimed(self._request.identity_record(), runs_dir=runs_dir) as claim:
                if claim is not None:
                    return True
            self._pause(_LOOK_SECONDS)
        return False

    def _reported(self) -> Iterator[dict[str, Any]]:
        for line in self._messages.read_bytes().splitlines():
            with suppress(ValueError):  # the end of an attempt that was cut off
                if isinstance(message := json.loads(line), dict):
                    yield message


def _become_run(request: Request, *, pipe: int, shown: Shown) -> None:
    """Train the run in this process, and end it."""
    code = 1
    try:
        signal.signal(LIMIT_SIGNAL, signal.SIG_IGN)
        for each in handled_signals():
            signal.signal(each, _interrupt)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*SIGNALS, LIMIT_SIGNAL))
        sys.argv = request.command()
        code = run_job(request, pipe=pipe, shown=shown)
    except KeyboardInterrupt:  # a signal that came before the run could handle it
        code = Interrupted.exit_code
    except BaseException:  # noqa: BLE001  nothing may reach what the parent process does after the fork
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the signal module passes it
    raise KeyboardInterrupt(number)


def requeue_job(job: str, *, pause: Callable[[float], None] = time.sleep) -> bool:
    """Ask Slurm to start a job again, a few times if its controller does not answer.

    Args:
        job: The id of the job.
        pause: Waits for some seconds.

    Returns:
        Whether Slurm will; it then ends this process.
    """
    for attempt in range(_REQUEUE_ATTEMPTS):
        if attempt:
            pause(_REQUEUE_SECONDS)
        done = subprocess.run(["scontrol", "requeue", job], check=False)  # noqa: S603, S607  Slurm's own command
        if done.returncode == 0:
            return True
    return False


def work_task(arguments: list[str], *, shown: Shown) -> int:
    """Train the run of a task that Slurm has started.

    Args:
        arguments: The folder, the number of the array, and the index of the task.
        shown: Creates the listener for the log of a run; called in the process of the run.

    Returns:
        The exit code.
    """
    folder, array, index = arguments
    restart = os.environ.get("SLURM_RESTART_COUNT", "0")
    job = os.environ.get("SLURM_JOB_ID", "")
    body = TaskBody(
        TaskFolder(Path(folder)),
        TaskPlace(int(array), int(index)),
        restart=int(restart),
        shown=shown,
        requeue=lambda: bool(job) and requeue_job(job),
    )
    return body.work()
