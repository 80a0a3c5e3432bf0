"""Seconds of `dlrun runs ls` on generated run folders: without an index, with one, and with a question about the specs.

    python tests/benchmarks/list_runs.py [RUNS]

Each figure is the wall time of the whole command, the interpreter's start included; medians of five, but for the first
listings, which make the index and are timed once. Beside them: reading the same run.json files with open() and json.
"""

import datetime as dt
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dlrun.experiment.record import create_folder
from dlrun.spec.parse import read_spec

ROOT = Path(__file__).parents[2]
REPEATS = 5
READ = """
import json, os, sys
for name in os.listdir(sys.argv[1]):
    if not name.startswith("."):
        with open(f"{sys.argv[1]}/{name}/run.json", "rb") as file:
            json.load(file)
"""
QUESTIONS = {
    "listed": (),
    "as JSON": ("--json",),
    "where a score": ("--where", "val_accuracy>0.98 and model.type=cnn", "--sort", "-val_accuracy"),
    "where a key of the spec": ("--where", "training.batch_size=64"),
}


def seconds(*command: str) -> float:
    """Wall time of a command."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def generate(runs_dir: Path, count: int) -> None:
    """Run folders that differ in their scores, batch sizes and start: what a sweep leaves."""
    sample = create_folder(read_spec(ROOT / "configs" / "mnist_cnn.yaml"), runs_dir.parent / "sample")
    sample.update_record(status="completed", seconds=61.5, device={"value": "cpu", "reason": "there is no GPU"})
    record, spec = json.loads(sample.run_json.read_text()), sample.spec_yaml.read_text()
    begin = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    for number in range(count):
        started = begin + dt.timedelta(minutes=number)
        folder = runs_dir / f"{started:%Y%m%d-%H%M%S}-mnist_cnn-{number % 65536:04x}"
        folder.mkdir(parents=True)
        accuracy = 0.9 + (number * 7919 % 1000) / 10_000
        scores = {split: {"loss": 1 - accuracy, "accuracy": accuracy} for split in ("validation", "test")}
        record.update(id=folder.name, started=started.isoformat(timespec="milliseconds"), result=scores)
        (folder / "run.json").write_text(json.dumps(record, indent=2))
        (folder / "spec.yaml").write_text(spec.replace("batch_size: 64", f"batch_size: {32 << number % 3}"))


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        runs_dir = Path(place) / "runs"
        generate(runs_dir, count)
        os.environ["DLRUN_RUNS"] = str(runs_dir)
        time.sleep(3)  # an index takes only files that are older than two seconds
        ls = ("-m", "dlrun", "runs", "ls")
        median = statistics.median(seconds("-c", READ, str(runs_dir)) for _ in range(REPEATS))
        print(f"{count:,} runs\n{'run.json files read by json alone':<42} {median:6.2f} s")
        print(f"{'first listing, which makes the index':<42} {seconds(*ls):6.2f} s")
        options = QUESTIONS["where a key of the spec"]
        print(f"{'first question about specs, the same':<42} {seconds(*ls, *options):6.2f} s")
        for name, options in QUESTIONS.items():
            median = statistics.median(seconds(*ls, *options) for _ in range(REPEATS))
            print(f"{name:<42} {median:6.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
