"""dlrun beside Keras as tutorials show it, Keras tuned by hand, and PyTorch: one model, one data set, one batch size.

    python tests/benchmarks/peers.py [--rounds 3] [--works mnist_cnn,digits_cnn] [--epochs N] [--examples N]
                                     [--torch PYTHON] [--markdown FILE] [--json FILE]

What is compared, medians over all rounds, in which the contestants take turns (A B C D A B C D):

- mnist_cnn, mnist_mlp, sequence_lstm: seconds of an epoch, the first left out, and without validation for anyone. For
  dlrun they are the `seconds` of metrics.jsonl. Beside them the score on the test split after training, and in the
  second table the whole process (imports, data, model, training, one evaluation), the training in it with tracing and
  compilation, and the highest memory. dlrun tries XLA before what it counts as training: the process has it all.
- digits_cnn: wall time of the whole command, with validation, checkpoints and history, against naive Keras alone.
- evaluate: the test split of MNIST scored once by the CNN, after a warm-up.

Each contestant is a process of its own and says in its file what it does. XLA is on for tuned Keras where it was the
faster on 2 cores of an Intel Xeon (Sapphire Rapids), seconds of an epoch with and without: mnist_mlp 1.0 and 1.4,
sequence_lstm 2.0 and 5.2; convolutions lose by it. MNIST is read from TFDS_DATA_DIR, prepared by tensorflow-datasets.
Everything runs on the CPU; on a machine with a GPU, set CUDA_VISIBLE_DEVICES=-1.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).with_suffix("")))

from arrays import MissingDataError, find_data, write_arrays
from contest import ContestantFailedError, Heat
from tables import comparison, machine, whole
from works import WORKS

Results = dict[str, dict[str, list[dict[str, Any]]]]


def run_heat(heat: Heat, *, rounds: int) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """Let the contestants of one work take turns; who fails once does not start again.

    Returns:
        What each measured, one for each round, and what went wrong.
    """
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in heat.contestants()}
    failures: dict[str, str] = {}
    for number in range(rounds):
        for contestant in (name for name in heat.contestants() if name not in failures):
            sys.stderr.write(f"round {number + 1} of {rounds}: {heat.name}, {contestant}\n")
            try:
                measured[contestant].append(heat.run(contestant))
            except ContestantFailedError as error:
                failures[contestant] = f"{heat.name}, {contestant}: {error}"
                measured[contestant] = []
    return measured, list(failures.values())


def run_works(given: argparse.Namespace, cache: Path) -> tuple[Results, list[str]]:
    """Compare every work that was asked for; each has a place in the results, whatever happens."""
    results: Results = {}
    failures: list[str] = []
    for name in given.works:
        work, results[name] = WORKS[name], {}
        epochs = (given.epochs or work.epochs) if work.epochs else 0
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder)
            try:
                find_data(work)
            except MissingDataError as error:
                failures.append(f"{name}: {error}")
                continue
            # In a process of its own: the highest memory of a contestant begins at what this one has had.
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                overrides = pool.submit(write_arrays, work, data, examples=given.examples).result()
            examples = None if work.whole_command else given.examples
            heat = Heat(name, work, data, cache, overrides, epochs, examples, given.torch)
            results[name], failed = run_heat(heat, rounds=given.rounds)
            failures += failed
    return results, failures


def read_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Compare dlrun with Keras and PyTorch.")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contestant runs")
    parser.add_argument("--works", default=",".join(WORKS), help="default: %(default)s")
    parser.add_argument("--epochs", type=int, help="default: as each config says")
    parser.add_argument("--examples", type=int, help="train and score on the first so many, for a quick try")
    parser.add_argument("--torch", default=os.environ.get("DLRUN_BENCH_TORCH"), help="a Python that has PyTorch")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file too")
    parser.add_argument("--json", type=Path, help="write everything that was measured to this file")
    given = parser.parse_args()
    given.works = given.works.split(",")
    if unknown := set(given.works) - WORKS.keys():
        parser.error(f"unknown work {', '.join(sorted(unknown))}: one of {', '.join(WORKS)}")
    return given


def main() -> int:
    """Compare, print, and tell whether every contestant came to its end."""
    given = read_arguments()
    with tempfile.TemporaryDirectory() as cache:
        # The data is read once, and nothing that earlier runs of dlrun have measured is used.
        os.environ["DLRUN_CACHE"] = cache
        results, failures = run_works(given, Path(cache))
    tables = (table(results, has_torch=bool(given.torch)) for table in (comparison, whole))
    failed = "\n".join(f"- failed: {failure}" for failure in failures)
    text = "\n\n".join(part for part in (machine(given.torch), *tables, failed) if part)
    print(text)
    if given.markdown:
        given.markdown.write_text(f"{text}\n")
    if given.json:
        given.json.write_text(json.dumps(results))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
