"""Where the time of a training step goes, by TensorFlow operation.

    python tests/benchmarks/profile_steps.py CONFIG [KEY=VALUE ...]

Traces 200 steps with TensorFlow's profiler, after a warm-up, and adds up the time inside each kind of operation. Beside
it stands how much of all cores' time that is: the rest is spent between operations, or waiting. With XLA, whose kernels
divide their work among the cores unseen, it is the time of the one thread that starts them; what the other cores do
tells a second run of the command on one core: taskset -c 0 python ...
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import tensorflow as tf

from dlrun.runs.provenance.machine import usable_cores
from dlrun.spec.parse import read_spec
from dlrun.training.progress.events import silent
from dlrun.training.setup import assemble
from dlrun.training.step.feed import epoch_order

STEPS = 200
SHOWN = 15
_XLA_KERNEL = re.compile(r"(?!while)\w+(\.\d+)+|\w+_fusion")


def profiled(config: Path, overrides: tuple[str, ...]) -> tuple[Counter[str], float]:
    """Train some steps under the profiler.

    Returns:
        Seconds inside each kind of operation, over all threads, and the wall time.
    """
    setup = assemble(read_spec(config, overrides), listener=silent)
    steps = setup.choose_steps().steps
    order = epoch_order(steps.feed.examples, seed=0, epoch=0, shuffle=True)
    last_step = steps.feed.examples // steps.batch_size
    step_range = next(iter(steps.feed.step_ranges(order, batch_size=steps.batch_size, last_step=last_step)))
    for count in (1, STEPS):
        steps(step_range, 0, count)
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        started = time.perf_counter()
        steps(step_range, 0, STEPS)
        seconds = time.perf_counter() - started
        tf.profiler.experimental.stop()
        return operations(Path(folder)), seconds


def operations(folder: Path) -> Counter[str]:
    """Add up a profile's operations; their events are called `name:Kind`."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    (path,) = folder.rglob("*.xplane.pb")
    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    spent: Counter[str] = Counter()
    for plane in space.planes:
        has_kernels = any(event.name == "ThunkExecutor::Execute" for event in plane.event_metadata.values())
        for line in plane.lines:
            if not (line.name.startswith("tf_") or has_kernels):
                continue
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                if has_kernels:
                    if _XLA_KERNEL.fullmatch(name):
                        spent[name] += event.duration_ps / 1e12
                elif ":" in name and "::" not in name:
                    spent[name.rpartition(":")[2]] += event.duration_ps / 1e12
    return spent


def main() -> None:
    """Print the table."""
    spent, seconds = profiled(Path(sys.argv[1]), tuple(sys.argv[2:]))
    cores, inside = usable_cores(), sum(spent.values())
    if any(_XLA_KERNEL.fullmatch(name) for name in spent):
        cores = 1
    print(f"{1e3 * seconds / STEPS:.3f} ms a step; {inside / (cores * seconds):.0%} of {cores} cores inside operations")
    for name, part in spent.most_common(SHOWN):
        print(f"{name:40} {1e3 * part / STEPS:7.3f} ms  {part / inside:4.0%}")


if __name__ == "__main__":
    main()
