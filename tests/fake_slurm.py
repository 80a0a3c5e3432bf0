"""A Slurm without a controller: commands on PATH that answer what a test wants, and a crew whose clock it moves."""

import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dlrun.batching.backends.slurm.client import _FIELDS
from dlrun.batching.backends.slurm.crew import SlurmCrew
from dlrun.batching.backends.slurm.options import SbatchOptions
from dlrun.batching.backends.slurm.script import ArrayScript
from dlrun.batching.backends.slurm.tasks import TaskFolder
from dlrun.batching.messages import Request

# Each answers what is in the folder FAKE_SLURM. In sh, because a test calls them dozens of times.
_SBATCH = r"""#!/bin/sh
cd "$FAKE_SLURM"; echo sbatch >>calls
for first in refuse-*; do
  [ -e "$first" ] && { cat "$first" >&2; rm "$first"; [ -e accept ] || exit 1; lost=1; rm -f accept; break; }
done
for last; do :; done
id=$(($(ls submitted | wc -l) + 1)); cp "$last" "submitted/$id"
most=$(sed -n 's/.*--array="0-\([0-9]*\).*/\1/p' "$last"); comment=$(sed -n 's/.*--comment="\(.*\)"/\1/p' "$last")
for index in $(seq 0 "$most"); do printf "$(cat format)" "$id" "$index" PENDING 0 0 '' None "$comment" >>queue; done
[ "$lost" ] && exit 1
echo "$id"
"""
_SQUEUE = """\
#!/bin/sh
cd "$FAKE_SLURM"; echo squeue >>calls
[ -e down ] && { echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2; exit 1; }
cat queue 2>/dev/null; exit 0
"""
_SCANCEL = """\
#!/bin/sh
cd "$FAKE_SLURM"; echo "$@" >>cancelled
[ -e down ] && { echo "scancel: error: Unable to contact slurm controller (connect failure)" >&2; exit 1; }
exit 0
"""
_SCONTROL = """\
#!/bin/sh
cd "$FAKE_SLURM"
[ -e down ] && { echo "slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)" >&2; exit 1; }
echo "MaxArraySize            = $(cat largest)"
"""
_SACCT = '#!/bin/sh\necho "$@" >>"$FAKE_SLURM/accounting"\ncat "$FAKE_SLURM/sacct" 2>/dev/null\n'


@dataclass
class FakeSlurm:
    """What the commands answer, and what they were asked."""

    folder: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        (self.folder / "submitted").mkdir(parents=True)
        (self.folder / "largest").write_text("1001")
        (self.folder / "format").write_text("".join(f"%{width}s" for width in _FIELDS.values()) + r"\n")

    @property
    def scripts(self) -> list[str]:
        """The scripts that were submitted."""
        return [path.read_text() for path in sorted((self.folder / "submitted").iterdir(), key=lambda p: int(p.name))]

    @property
    def cancelled(self) -> list[str]:
        path = self.folder / "cancelled"
        return path.read_text().splitlines() if path.exists() else []

    def count(self, command: str) -> int:
        path = self.folder / "calls"
        return path.read_text().split().count(command) if path.exists() else 0

    def refuse(self, message: str, *, though_accepted: bool = False) -> None:
        """Make the next call of sbatch fail; `though_accepted`: after the controller has taken the array."""
        (self.folder / f"refuse-{next(self.numbers)}").write_text(f"sbatch: error: {message}\n")
        if though_accepted:
            (self.folder / "accept").touch()

    def answers(self, *, yes: bool) -> None:
        """Let the controller answer or not."""
        (self.folder / "down").unlink(missing_ok=True)
        if not yes:
            (self.folder / "down").touch()

    def queue(self, name: str, array: int, index: int, state: str, **more: Any) -> None:
        """Put a task into the queue, or change it; the state "" takes it out."""
        values = {
            "ArrayJobID": array, "ArrayTaskID": index if index >= 0 else "N/A", "State": state,
            "exit_code": more.get("status", 0), "RestartCnt": more.get("restarts", 0),
            "NodeList": more.get("node", ""), "Reason": more.get("reason", "None"),
            "Comment": f"{name}/{array:03}",
        }  # fmt: skip
        path, part = self.folder / "queue", self.folder / "queue.part"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        kept = [line for line in lines if not (line[20:40].strip() == str(index) and line.endswith(f"/{array:03}\n"))]
        line = "".join(f"{values[key]!s:>{width}}" for key, width in _FIELDS.items()) + "\n"
        part.write_text("".join([*kept, *([line] if state else [])]))
        part.rename(path)


@pytest.fixture
def fake_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {
        "sbatch": _SBATCH, "squeue": _SQUEUE, "scancel": _SCANCEL, "scontrol": _SCONTROL, "sacct": _SACCT,
    }.items():  # fmt: skip
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    fake = FakeSlurm(tmp_path / "fake")
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setenv("FAKE_SLURM", str(fake.folder))
    return fake


def request_for(number: int, **content: Any) -> Request:
    identity = {"spec": f"{number:064x}", "code": "0" * 64, "data": "0" * 64}
    return Request(number, "small.yaml", (f"seed={number}",), content.pop("runs_dir", "runs"), identity, **content)


@dataclass
class Driven:
    """A crew whose clock a test moves, and what it has told."""

    fake: FakeSlurm
    crew: SlurmCrew
    script: ArrayScript
    warnings: list[str]
    clock: list[float]
    told: list[dict[str, Any]] = field(default_factory=list)

    @property
    def events(self) -> list[tuple[int, str]]:
        return [(each["number"], each.get("how", each["event"])) for each in self.told]

    def queue(self, array: int, index: int, state: str, **more: Any) -> None:
        self.fake.queue(self.script.job_name, array, index, state, **more)

    def report(self, array: int, index: int, *messages: dict[str, Any] | str, restart: int = 0) -> None:
        """Let a task report."""
        path = self.script.folder.messages(array) / f"{index}-{restart}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write("".join(each if isinstance(each, str) else json.dumps(each) + "\n" for each in messages))

    def go(self, seconds: float) -> None:
        """Work for some seconds of the crew's own clock."""
        end = self.clock[0] + seconds
        while self.clock[0] < end:
            self.told += self.crew.messages(seconds=0.1)
            self.clock[0] += 0.25

    def until(self, condition: Callable[[], Any]) -> None:
        for _ in range(3000):
            if condition():
                return
            self.go(0.1)
        pytest.fail(f"it has not happened: {self.told}, {self.warnings}")


@pytest.fixture
def driven(fake_slurm: FakeSlurm, tmp_path: Path) -> Callable[..., Driven]:
    def make(*, largest: int = 1001, at_once: int | None = None, options: SbatchOptions = ()) -> Driven:
        folder = TaskFolder(tmp_path / "batch" / "slurm")
        script = ArrayScript(folder, folder.begin(), options, at_once, workdir=tmp_path, python="python")
        warnings: list[str] = []
        clock = [0.0]
        crew = SlurmCrew(
            script,
            largest=largest,
            runs_dir="runs",
            warn=warnings.append,
            clock=lambda: clock[0],
            pause=lambda _: time.sleep(0.003),  # a command needs real time
        )
        return Driven(fake_slurm, crew, script, warnings, clock)

    return make
