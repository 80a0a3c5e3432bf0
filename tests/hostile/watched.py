"""Runs dlrun's commands in one process under an audit hook, and tells what each of them did to the machine.

python watched.py RUNS_FOLDER COMMANDS      COMMANDS is a JSON list of command lines; as many reports on stdout
"""

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

from dlrun.cli.app import app

FORBIDDEN = (
    *("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "pty.spawn"),
    *("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "ctypes.dlopen"),
)
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """Collects what must not happen: code of the folder, other programs, the network; and every file written."""

    def __init__(self, folder: Path) -> None:
        self.folder = os.path.realpath(folder)
        self.forbidden: list[str] = []
        self.written: set[str] = set()
        self.read: set[str] = set()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in FORBIDDEN:
            self.forbidden.append(f"{event} {arguments!r}")
        elif event == "exec" and self.is_inside(arguments[0].co_filename):
            self.forbidden.append(f"exec {arguments[0].co_filename}")
        elif event == "compile" and self.is_inside(arguments[1]):
            self.forbidden.append(f"compile {arguments[1]}")
        elif event == "import" and self.is_inside(arguments[1]):
            self.forbidden.append(f"import {arguments[1]}")
        elif event == "open" and isinstance(arguments[0], str | bytes) and arguments[0] != ".":
            # A "." is the folder of a lock, which is read through its descriptor: see system/lease/lease.py.
            place = os.path.realpath(os.fsdecode(arguments[0]))
            (self.written if arguments[2] & WRITING else self.read).add(place)
        elif event in ("os.rename", "os.remove"):
            names = [os.fsdecode(item) for item in arguments if isinstance(item, str | bytes)]
            folders = [f"/proc/self/fd/{item}" if item >= 0 else "" for item in arguments[len(names) :]]
            self.written |= {os.path.realpath(Path(*each)) for each in zip(folders, names, strict=True)}
        elif event in CHANGES:
            self.written |= {os.path.realpath(os.fsdecode(item)) for item in arguments if isinstance(item, str | bytes)}

    def is_inside(self, name: object) -> bool:
        text = os.fsdecode(name) if isinstance(name, str | bytes) else ""
        return os.path.realpath(text).startswith(self.folder + os.sep)


def run(watch: Watch, arguments: list[str]) -> dict[str, Any]:
    """One command: its exit code, what it printed, and what it did."""
    watch.forbidden, watch.written, watch.read = [], set(), set()
    stdout, stderr = io.StringIO(), io.StringIO()
    code: object = 0
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            app(arguments)
        except SystemExit as end:
            code = end.code
    return {
        "arguments": arguments,
        "code": code,
        "stdout": stdout.getvalue(),
        "stderr": stderr.getvalue(),
        "forbidden": watch.forbidden,
        "written": sorted(watch.written),
        "read": sorted(watch.read),
    }


def main() -> None:
    cases = json.loads(sys.argv[2])
    # Everything that the program itself imports is imported before anything is watched.
    import dlrun.experiment.reproduce
    import dlrun.experiment.resume
    import dlrun.training.loop
    import dlrun.training.restoring  # noqa: F401

    watch = Watch(Path(sys.argv[1]))
    sys.addaudithook(watch)
    print(json.dumps([run(watch, arguments) for arguments in cases]))  # noqa: T201


main()
