"""What `--on ray` costs: 20 digits runs against the same on this machine, and thousands of runs that only sleep.

python tests/benchmarks/ray_runs.py overhead     # pairs of batches, local and on a cluster of one node
python tests/benchmarks/ray_runs.py many 2000    # a driver with so many runs: its memory, its pace, its longest gap
python tests/benchmarks/ray_runs.py scale        # what grows with the number of runs, piece by piece
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console as RichConsole

from dlrun.batching.backends.backend import LOCAL, BackendRequest
from dlrun.batching.backends.on_ray.crew import ray_crew
from dlrun.batching.backends.on_ray.probe import Question
from dlrun.batching.backends.on_ray.slots import Needs, RaySlots, nodes_alive
from dlrun.batching.backends.on_ray.work import Task
from dlrun.batching.batch import BatchOptions, BatchSource
from dlrun.batching.engine import Engine, EngineOptions
from dlrun.batching.grid import combine
from dlrun.batching.known import runs_of
from dlrun.batching.plan import Planned, plan_batch
from dlrun.batching.record import BatchFile
from dlrun.batching.state import BatchEvent, BatchStarted, RunState
from dlrun.cli.batch.display import BatchDisplay
from dlrun.cli.display.console import Console

sys.path.insert(0, str(Path(__file__).parents[1]))
from ray_cluster import RayCluster

REPOSITORY = Path(__file__).parents[2]
PAIRS = 2
RUN_JSON = Path("run.json")


def overhead() -> None:
    """Compare whole commands, in pairs, at two runs at a time."""
    cluster = RayCluster(cpus=1)
    ratios = []
    try:
        for pair in range(PAIRS):
            seconds = {on: _batch(on, cluster) for on in ("local", "ray")}
            ratios.append(seconds["ray"] / seconds["local"])
            print(
                f"pair {pair + 1}: local {seconds['local']:.1f} s, ray {seconds['ray']:.1f} s, ratio {ratios[-1]:.2f}"
            )
    finally:
        cluster.close()


def _batch(on: str, cluster: RayCluster) -> float:
    with tempfile.TemporaryDirectory() as runs:
        command = [
            "batch",
            REPOSITORY / "configs/digits_cnn.yaml",
            "--seeds",
            "20",
            "--jobs",
            "2",
            "--on",
            on,
            "--json",
        ]
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "dlrun", *map(str, command), "--runs-dir", runs],
            env={**os.environ, **cluster.environment, "DLRUN_STATE": runs},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            sys.exit(done.stderr)
        assert {row["status"] for row in json.loads(done.stdout)["runs"]} == {"completed"}
        return seconds


def sleeps(task: Task, _mailbox: Any) -> list[dict[str, Any]]:
    """Do what a run would do for a node, without training."""
    time.sleep(0.05)
    number = json.loads(task.line)["number"]
    run = {"number": number, "event": "run", "folder": f"run-{number}", "resumed": False, "attempt": task.attempt}
    return [
        run,
        {"number": number, "event": "ended", "how": "completed"},
        {"number": number, "event": "gone", "code": 0},
    ]


def planned_runs(folder: Path, count: int) -> tuple[Planned, ...]:
    """Return so many runs of one spec; their identities differ."""
    (folder / "small.yaml").write_text(
        "dataset: {type: builtin, name: digits}\nmodel: linear\nloss: sparse_categorical_crossentropy\n"
    )
    (one,) = plan_batch(combine([folder / "small.yaml"], [], [], "1"))
    return tuple(
        replace(one, number=number, identity=one.identity.model_copy(update={"spec": f"{number:064x}"}))
        for number in range(1, count + 1)
    )


def many(count: int) -> None:
    """Have so many runs sleep on a cluster, with the live table of the command."""
    import logging

    import ray

    cluster = RayCluster(cpus=2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        planned = planned_runs(folder, count)
        batch = BatchSource(BatchOptions((), folder / "runs"), planned, listener=lambda _: None)
        display = BatchDisplay(Console(quiet=True))
        display(BatchStarted(tuple(batch.states.values()), total=count))
        gaps, last = 0.0, time.monotonic()
        drawn: list[float] = []

        def listen(event: BatchEvent) -> None:
            nonlocal gaps, last
            batch.hear(event)
            display(event)
            now = time.monotonic()
            gaps, last = max(gaps, now - last), now
            if len(drawn) < now - began:
                drawn.append(_draw(display))

        needs, question = Needs(1, 0), Question(("", ""), None, (), (), "")
        slots = RaySlots(nodes_alive, needs, jobs=None)
        engine = Engine(batch, EngineOptions(folder / "runs"), slots=slots, listener=listen)
        question = replace(question, folder=str(folder))
        with ray_crew(question, needs, work=sleeps) as crew:
            began = last = time.monotonic()
            engine.go_on(crew)
        seconds = time.monotonic() - began
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{count:,} runs, {slots} at a time: {seconds:.0f} s, {count / seconds:.0f} runs/s; "
            f"driver {memory:.0f} MB; longest silence {gaps:.2f} s; table drawn in {max(drawn):.3f} s at most"
        )
        ray.shutdown()
    cluster.close()


def _draw(display: BatchDisplay) -> float:
    began = time.process_time()
    with Path(os.devnull).open("w") as nowhere:
        RichConsole(file=nowhere, width=120, height=40).print(display._table(height=40, width=120))
    return time.process_time() - began


def scale() -> None:
    """Time what a driver or a run does once, for growing numbers of runs, in seconds of the CPU."""
    print(f"{'runs':>8} {'plan':>8} {'record':>8} {'look for a run':>15} {'draw':>8}")
    for count in (500, 2000, 8000):
        with tempfile.TemporaryDirectory() as name:
            print(f"{count:8,} {' '.join(f'{seconds:8.3f}s' for seconds in _scaled(Path(name), count))}")


def _scaled(folder: Path, count: int) -> Iterator[float]:
    runs = folder / "runs"
    planned = planned_runs(folder, count)
    some = min(count, 500)
    yield _timed(lambda: plan_batch(combine([folder / "small.yaml"], [], [], str(some)))) * count / some
    states = {each.number: RunState(each, "completed", runs / f"run-{each.number}") for each in planned}
    record = BatchFile(runs, planned, command=(), again=False)
    yield _timed(lambda: record.write(states, finished=False))
    content = '{"identity": {"spec": "' + "a" * 64 + '", "code": "' + "b" * 64 + '"}, "x": "' + "y" * 6000 + '"}'
    for number in range(count):
        (runs / f"run-{number}").mkdir()
        (runs / f"run-{number}" / RUN_JSON).write_text(content)
    yield _timed(lambda: runs_of([planned[0].identity], runs_dir=runs))
    display = BatchDisplay(Console(quiet=True))
    display(BatchStarted(tuple(states.values()), total=count))
    yield _draw(display)


def _timed(work: Any) -> float:
    """Return seconds of the CPU, which do not depend on other programs, with all files in the cache."""
    work()
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    assert BackendRequest(LOCAL, ())  # the interface that the measured crew belongs to
    match sys.argv[1:]:
        case ["overhead"]:
            overhead()
        case ["many", count]:
            many(int(count))
        case ["scale"]:
            scale()
        case _:
            sys.exit(__doc__)
