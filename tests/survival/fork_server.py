"""Commands of dlrun in processes of their own, each forked from one that has imported TensorFlow and not used it yet.

A kill costs two seconds less so, and what is killed is a real process. A request is one line of JSON on stdin:

    {"arguments": [...], "folder": "...", "environment": {...}, "output": "...",
     "kill_at": 7, "at": null, "signals": []}

Two lines come back: the process' number, and its exit code, which is negative if a signal ended it. `kill_at` is the
disk operation in the middle of which the process kills itself; `at` is a function of dlrun and a number,
`["module:name", 3]`, at whose third call it gets the `signals`. How many disk operations there were is left in the file
`output`.operations.
"""

import importlib
import itertools
import json
import os
import runpy
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import dlrun.cli.app
import dlrun.cli.display
import dlrun.cli.outcome
import dlrun.reproduction
import dlrun.training.assembly
import dlrun.training.loop
import dlrun.training.pace
import dlrun.training.plan
import dlrun.training.restoring
from dlrun.files.disk import Disk

OPERATIONS = ("open", "write", "truncate", "fsync", "mkdir", "rename", "link", "unlink", "rmdir")


def serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        number = os.fork()
        if not number:
            _become(request)
        _say(number)
        _, status = os.waitpid(number, 0)
        _say(os.waitstatus_to_exitcode(status))


def _say(value: int) -> None:
    sys.stdout.write(f"{value}\n")
    sys.stdout.flush()


def _become(request: dict[str, Any]) -> None:
    output = request["output"]
    for descriptor, path in enumerate((os.devnull, output + ".out", output + ".err")):
        flags = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(path, flags, 0o666), descriptor)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(fd, "rw"[fd > 0], closefd=False) for fd in range(3))
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    sys.argv = ["dlrun", *request["arguments"]]
    # Short calls, so that a training of two seconds has many checkpoints inside its epochs.
    dlrun.training.pace.SECONDS_PER_CALL = 0.02
    count = _count_operations(request["kill_at"])
    if request["at"]:
        place, call = request["at"]
        _signal_at(place, call, signals=request["signals"])
    code = 0
    try:
        runpy.run_module("dlrun", run_name="__main__")
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except BaseException:  # noqa: BLE001  a bug: its traceback is what the test shows
        traceback.print_exc()
        code = 70
    sys.stdout.flush()
    sys.stderr.flush()
    Path(output + ".operations").write_text(str(len(count)))
    os._exit(code)


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
    """Send this process `signals` when `place` is called for the `call`-th time, and go on with the call."""
    module, _, names = place.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, last = names.split(".")
    for name in outer:
        owner = getattr(owner, name)
    real = getattr(owner, last)
    calls = itertools.count(1)

    def watched(*arguments: Any, **keywords: Any) -> Any:
        if next(calls) == call:
            for number in signals:
                os.kill(os.getpid(), number)
        return real(*arguments, **keywords)

    setattr(owner, last, watched)


if __name__ == "__main__":
    serve()
