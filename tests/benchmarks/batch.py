"""Ten short runs: as one `dlrun batch`, and as ten `dlrun train` commands one after the other.

    python tests/benchmarks/batch.py [ROUNDS] [EPOCHS] [JOBS...]

The runs are configs/digits_cnn.yaml with the seeds 0 to 9 and so many epochs. Batch and commands take turns, A B A B;
medians of the wall time and of the processor time, and the median of the ratio of each turn, are printed: for the usual
number of runs at a time, or for each that is given. Every weights_sha256 of the batch has to be that of the command.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "digits_cnn.yaml"
RUNS = 10


class Spent(NamedTuple):
    """What a command took: seconds on the clock, and of all cores together."""

    wall: float
    processor: float

    def plus(self, other: "Spent") -> "Spent":
        return Spent(self.wall + other.wall, self.processor + other.processor)


def spent(*arguments: str, folder: Path) -> Spent:
    """Run a command of dlrun."""
    environment = {**os.environ, "DLRUN_STATE": str(folder / "state"), "DLRUN_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "dlrun", *arguments]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Spent(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def weights(runs: Path) -> list[str]:
    """What the runs in a folder ended with."""
    return sorted(json.loads(path.read_text())["weights_sha256"] for path in runs.glob("*/run.json"))


def main(rounds: int, epochs: int, jobs: list[str]) -> None:
    usual = "as many as usual"
    found: dict[str, list[tuple[Spent, Spent]]] = {number: [] for number in jobs or [usual]}
    common = (str(CONFIG), "--set", f"training.epochs={epochs}", "--quiet")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spent("train", *common, folder=folder)  # reads every file once
        for turn in range(rounds):
            alone, separate = f"alone-{turn}", Spent(0, 0)
            for seed in range(RUNS):
                run = ("train", *common, "--set", f"seed={seed}", "--runs-dir", alone)
                separate = separate.plus(spent(*run, folder=folder))
            for number, pairs in found.items():
                together = f"batch-{turn}-{number}"
                options = () if number == usual else ("--jobs", number)
                batch = ("batch", *common, "--seeds", str(RUNS), *options, "--runs-dir", together)
                pairs.append((separate, spent(*batch, folder=folder)))
                if weights(folder / together) != weights(folder / alone):
                    sys.exit(f"{together}: other weights than those of the commands")
                print(f"turn {turn + 1}, {number}: {told(pairs[-1:])}", flush=True)
    for number, pairs in found.items():
        print(f"runs at a time: {number}; median of {rounds}: {told(pairs)}")


def told(pairs: list[tuple[Spent, Spent]]) -> str:
    """Medians of both kinds of time, and of their ratios."""
    kinds = []
    for name in Spent._fields:
        times = [(getattr(commands, name), getattr(batch, name)) for commands, batch in pairs]
        commands, batch = (statistics.median(column) for column in zip(*times, strict=True))
        ratio = statistics.median(batch / commands for commands, batch in times)
        kinds.append(f"{name} commands {commands:.1f} s, batch {batch:.1f} s, ratio {ratio:.2f}")
    return "; ".join(kinds)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]) if given else 3, int(given[1]) if len(given) > 1 else 15, given[2:])
