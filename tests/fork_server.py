"""Commands of dlrun in processes of their own, each forked from one that has imported TensorFlow and not used it yet.

A command costs three seconds less so, and it is a real process. A request is one line of JSON on stdin:

    {"arguments": [...], "script": null, "folder": "...", "environment": {...}, "output": "...", "streams": {},
     "short_calls": true, "kill_at": 7, "at": null, "signals": []}

The process' number comes back at once, on a line of its own; its exit code, negative if a signal ended it, is in the
file `output`.code. `script` is a Python file to run in place of dlrun. `streams` says where descriptors lead instead
of to files: to a path, to "nobody" (a pipe whose reader has gone) or, null, nowhere (closed). `kill_at` is the disk
operation in the middle of which the process kills itself. `at` says when it gets the `signals`: `["StepsDone", 3]` is
when the third event of that kind reaches the command, `["module:name", 3]` is the third call of a public function of
dlrun. How many disk operations there were is left in the file
`output`.operations. The workers of `dlrun launch` are forked too.
"""

import contextlib
import importlib
import itertools
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from dlrun.system.disk import Disk
from dlrun.system.tensorflow_start import start_tensorflow

PRELOADED = (
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.parquet",
    "dlrun.cli.app",
    "dlrun.cli.display.display",
    "dlrun.cli.display.outcome",
    "dlrun.experiment.reproduce",
    "dlrun.experiment.resume",
    "dlrun.training.setup",
    "dlrun.training.loop",
    "dlrun.training.progress.pace",
    "dlrun.training.plan",
    "dlrun.training.restoring",
)
OPERATIONS = ("open", "write", "truncate", "fsync", "mkdir", "rename", "link", "unlink", "rmdir")


def serve() -> None:
    start_tensorflow()
    os.fsync = os.fstat  # type: ignore[assignment]  # as in conftest.py: nobody pulls the plug
    for name in PRELOADED:
        importlib.import_module(name)
    running: dict[int, str] = {}
    while True:
        # One request at most is on its way: who has made it waits for the number.
        readable, _, _ = select.select([sys.stdin], [], [], 0.005 if running else None)
        if readable:
            line = sys.stdin.readline()
            if not line:
                return
            request = json.loads(line)
            number = os.fork()
            if not number:
                _become(request)
            running[number] = request["output"]
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
        for number in tuple(running):
            ended, status = os.waitpid(number, os.WNOHANG)
            if ended:
                part = Path(running.pop(number) + ".part")
                part.write_text(str(os.waitstatus_to_exitcode(status)))
                part.rename(part.with_suffix(".code"))


def _become(request: dict[str, Any]) -> None:
    output, streams = request["output"], request["streams"]
    for descriptor, path in enumerate((os.devnull, output + ".out", output + ".err")):
        _lead(descriptor, streams.get(str(descriptor), path))
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        is_closed = streams.get(str(descriptor), "") is None
        setattr(sys, name, None if is_closed else os.fdopen(descriptor, "rw"[descriptor > 0], closefd=False))
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    import dlrun.launch.workers
    import dlrun.training.progress.pace

    if request["short_calls"]:  # so that a training of two seconds has many checkpoints inside its epochs
        dlrun.training.progress.pace.SECONDS_PER_CALL = 0.02
    dlrun.launch.workers._start = ForkedWorker  # type: ignore[assignment]
    count = _count_operations(request["kill_at"])
    if request["at"]:
        place, call = request["at"]
        _signal_at(place, call, signals=request["signals"])
    code = _run(request["arguments"], request["script"])
    Path(output + ".operations").write_text(str(len(count)))
    os._exit(code)


def _lead(descriptor: int, place: str | None) -> None:
    """Make a descriptor lead to a file, to nobody, or nowhere."""
    if place is None:
        os.close(descriptor)
    elif place == "nobody":
        reader, writer = os.pipe()
        os.dup2(writer, descriptor)
        os.close(reader)
        os.close(writer)
    else:
        flags = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        opened = os.open(place, flags, 0o666)
        os.dup2(opened, descriptor)
        os.close(opened)


def _run(arguments: list[str], script: str | None = None) -> int:
    """Run dlrun, or another script, with the arguments; its exit code."""
    sys.argv = [script or "dlrun", *arguments]
    code = 0
    try:
        if script:
            runpy.run_path(script, run_name="__main__")
        else:
            runpy.run_module("dlrun", run_name="__main__")
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except BaseException:  # noqa: BLE001  a bug: its traceback is what the test shows
        traceback.print_exc()
        code = 70
    with contextlib.suppress(OSError):  # a stream that nobody reads
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    return code


class ForkedWorker:
    """A worker of `dlrun launch`: what `dlrun.launch.workers` asks of a process, and nothing more."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], errors: IO[bytes] | None, lifeline: Any
    ) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid:
            return
        os.dup2(lifeline.reader, 0)
        os.close(lifeline.writer)
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.clear()
        os.environ.update(environment)
        if errors is not None:
            _lead(1, os.devnull)
            os.dup2(errors.fileno(), 2)
        os._exit(_run(list(arguments)))

    def poll(self) -> int | None:
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("dlrun", timeout or 0)
            time.sleep(0.005)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def _count_operations(kill_at: int | None) -> list[str]:
    """Note every operation on the disk from now on, and die in the middle of the one with the number `kill_at`."""
    done: list[str] = []

    def counted(name: str, real: Any) -> Any:
        def operation(disk: Disk, *arguments: Any) -> Any:
            done.append(name)
            if len(done) == kill_at:
                if name == "write":
                    real(disk, arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(disk, *arguments)

        return operation

    for name in OPERATIONS:
        setattr(Disk, name, counted(name, getattr(Disk, name)))
    return done


def _signal_at(place: str, call: int, *, signals: list[int]) -> None:
    """Send this process `signals` when `place` is reached for the `call`-th time, and go on from there."""
    calls = itertools.count(1)

    def reached() -> None:
        if next(calls) == call:
            for number in signals:
                os.kill(os.getpid(), number)

    if ":" in place:
        _watch_function(place, reached)
    else:
        _watch_events(place, reached)


def _watch_events(kind: str, reached: Callable[[], None]) -> None:
    from dlrun.cli.display.display import Display
    from dlrun.training.progress import events

    wanted, show = getattr(events, kind), Display.__call__

    def watched(display: Display, event: Any) -> None:
        if isinstance(event, wanted):
            reached()
        show(display, event)

    setattr(Display, "__call__", watched)  # noqa: B010  mypy refuses to assign a method


def _watch_function(place: str, reached: Callable[[], None]) -> None:
    module, _, names = place.partition(":")
    if any(name.startswith("_") for name in (*module.split("."), *names.split("."))):
        raise ValueError(f"{place} is private: it may change without any change in what dlrun promises")
    owner: Any = importlib.import_module(module)
    *outer, last = names.split(".")
    for name in outer:
        owner = getattr(owner, name)
    real = getattr(owner, last)

    def watched(*arguments: Any, **keywords: Any) -> Any:
        reached()
        return real(*arguments, **keywords)

    setattr(owner, last, watched)


if __name__ == "__main__":
    serve()
