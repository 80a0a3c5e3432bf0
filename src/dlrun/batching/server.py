"""A process that imports TensorFlow once, without using it, and forks a process for each requested run.

Importing takes seconds, and forked processes share its memory. Requests are lines on stdin: a `Request`, or
`{"signal": 2}` for all runs. Messages, including those of the runs, go to a pipe. When stdin closes, the process that
started this one has ended for some reason: each run then stops at its next step with a checkpoint, as after SIGTERM.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from types import FrameType

from dlrun.batching.job import Shown, run_job
from dlrun.batching.messages import Lines, Request, send
from dlrun.report.drawing import load_library
from dlrun.system.tensorflow_start import start_tensorflow
from dlrun.training.stop import SIGNALS, handled_signals, stop_with

_LOOK_SECONDS = 0.02
_MODULES = (
    "numpy.random",
    *(f"dlrun.training.{name}" for name in ("failures", "loop", "restoring", "sampling", "setup", "variables")),
    "dlrun.report.writing",
)


def serve(shown: Shown, *, messages: int) -> None:
    """Serve requests until stdin closes and all runs have ended.

    Args:
        shown: Creates the listener for the log of a run; called in the process of the run.
        messages: The pipe that the batch reads.
    """
    # Runs inherit file descriptor 0. It becomes /dev/null, so that no library in a run can read requests.
    requests = os.dup(0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    _import_everything()
    lines, runs = Lines(requests), dict[int, int]()
    while lines.is_open or runs:
        ready = select.select([requests] if lines.is_open else [], [], [], _LOOK_SECONDS if runs else None)[0]
        for content in lines.read() if ready else ():
            if "signal" in content:
                _signal(runs, content["signal"])
            else:
                number = _fork(Request.read(content), requests=requests, messages=messages, shown=shown)
                runs[number] = content["number"]
        _reap(runs, messages)


def _import_everything() -> None:
    start_tensorflow()
    for name in _MODULES:
        import_module(name)
    load_library()  # for the reports; after Keras, which imports it if it is there already
    # Objects that exist now are never garbage. Freezing them keeps the collector from touching them, since that would
    # copy their memory pages in every forked run.
    gc.collect()
    gc.freeze()


def _reap(runs: dict[int, int], messages: int) -> None:
    for number in list(runs):
        ended, status = os.waitpid(number, os.WNOHANG)
        if ended:
            send(messages, number=runs.pop(number), event="gone", code=os.waitstatus_to_exitcode(status))


def _signal(runs: dict[int, int], number: int) -> None:
    for process in runs:  # not reaped yet, so no other process can have the same id
        with suppress(ProcessLookupError):
            os.kill(process, number)


def _fork(request: Request, *, requests: int, messages: int, shown: Shown) -> int:
    # Block signals until the new process has its own handlers.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    number = os.fork()
    if number:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        return number
    code = 1
    try:
        for each in handled_signals():
            signal.signal(each, _interrupt)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        # The batch holds the other end of this pipe, so the run notices if the batch is killed.
        stop_with(requests)
        if request.gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = request.gpu
        sys.argv = request.command()
        code = run_job(request, pipe=messages, shown=shown)
    except BaseException:  # noqa: BLE001  nothing may reach the loop of the parent process
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        # Neither return into the parent's loop nor run its exit handlers: end right here.
        os._exit(code)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the signal module passes it
    raise KeyboardInterrupt(number)
