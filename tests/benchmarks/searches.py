"""What halving, TPE and a search as a whole are worth.

    python tests/benchmarks/searches.py quality FOLDER [--seeds 3]
    python tests/benchmarks/searches.py cost FOLDER [--trials 50]
    python tests/benchmarks/searches.py auto FOLDER --data DATA [--minutes 10]

`quality` compares, over the seeds of the search and on two configs, the best validation score of halving with those of
TPE and random search with twice its epochs. `cost` compares a search of short trials with as many `dlrun train`
commands. `auto` makes a test split of each data set, which no command sees, and compares `dlrun auto` with `dlrun init`
and `dlrun train` on it: a table of classes, sentences, pictures and a table of numbers from the folder of test data.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

DIGITS = """\
name: digits
dataset: {type: builtin, name: digits, validation: 0.2}
model: {type: mlp, units: [32], dropout: 0.2}
optimizer: {type: adam, learning_rate: 1e-3}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 32, epochs: 18, jit: "off", report: false, tensorboard: false}
search:
  space:
    optimizer.learning_rate: {low: 1e-5, high: 1e-1, log: true}
    model.units: {choices: [[16], [32], [64], [64, 32], [128, 64]]}
    model.dropout: {low: 0.0, high: 0.7}
    model.activation: {choices: [relu, tanh, sigmoid]}
    training.batch_size: {choices: [16, 32, 64, 128]}
"""
DIABETES = """\
name: diabetes
dataset: {type: builtin, name: diabetes, validation: 0.25}
model: {type: mlp, units: [32], dropout: 0.1}
optimizer: {type: adam, learning_rate: 1e-2}
loss: mean_squared_error
training: {batch_size: 32, epochs: 18, jit: "off", report: false, tensorboard: false}
search:
  space:
    optimizer.learning_rate: {low: 1e-5, high: 1.0, log: true}
    model.units: {choices: [[8], [32], [128], [64, 32]]}
    model.dropout: {low: 0.0, high: 0.7}
    model.l2: {low: 1e-6, high: 1.0, log: true}
    training.batch_size: {choices: [8, 32, 128]}
"""
WAYS = {
    "halving, TPE": {"sampler": "tpe", "trials": 27, "halving": "{min_epochs: 2, factor: 3}"},
    "random, twice the epochs": {"sampler": "random", "trials": 21, "halving": "null"},
    "TPE, twice the epochs": {"sampler": "tpe", "trials": 21, "halving": "null"},
}


def dlrun(folder: Path, *arguments: object) -> str:
    """Run a command in a folder; its standard output."""
    command = [sys.executable, "-m", "dlrun", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def quality(folder: Path, seeds: int) -> None:
    """Print the best validation scores of each way to search."""
    print("| config | search | epochs | best validation score, by seed | mean |\n|---|---|---|---|---|")
    for name, text in (("digits", DIGITS), ("diabetes", DIABETES)):
        for way, keys in WAYS.items():
            scores, epochs = [], []
            for seed in range(seeds):
                place = folder / f"{name}-{way.replace(' ', '_')}-{seed}"
                place.mkdir(parents=True, exist_ok=True)
                (place / "c.yaml").write_text(text)
                options = [part for key, value in keys.items() for part in ("--set", f"search.{key}={value}")]
                found = json.loads(dlrun(place, "search", "c.yaml", *options, "--set", f"search.seed={seed}", "--json"))
                best = next(trial for trial in found["trials"] if trial["trial"] == found["best"])
                scores.append(next(iter(best["scores"].values())))
                epochs.append(found["trained_epochs"])
                shutil.rmtree(place / "runs")
            shown = ", ".join(f"{score:.4g}" for score in scores)
            mean = sum(scores) / len(scores)
            print(f"| {name} | {way} | {sum(epochs) // len(epochs)} | {shown} | {mean:.4g} |", flush=True)


def cost(folder: Path, trials: int) -> None:
    """Print the seconds of a search, and those of as many commands, from the mean of a few."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "c.yaml").write_text(DIGITS.replace("epochs: 18", "epochs: 3"))
    few = max(1, trials // 10)
    began = time.perf_counter()
    for seed in range(few):
        dlrun(folder, "train", "c.yaml", "--set", f"seed={seed}", "--runs-dir", "commands", "-q")
    one = (time.perf_counter() - began) / few
    began = time.perf_counter()
    dlrun(folder, "search", "c.yaml", "--set", "search.sampler=random", "--trials", trials, "-q")
    whole = time.perf_counter() - began
    print(
        f"{trials} trials: {whole:.1f} s; {trials} commands: {trials} x {one:.2f} s; ratio {whole / one / trials:.2f}"
    )


def split_table(source: Path, folder: Path, *, share: float = 0.2, seed: int = 0) -> None:
    """Write train.csv and test.csv with random rows of a table."""
    with source.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    random.Random(seed).shuffle(rows)
    count = int(len(rows) * share)
    for name, part in (("test", rows[:count]), ("train", rows[count:])):
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([head, *part])


def data_sets(data: Path, folder: Path) -> Iterator[tuple[str, Path, Path, list[str], str]]:
    """Yield name, training data, test data, options of `init`, and the score to compare."""
    for name, target, score in (("adult", "income", "auc"), ("movie_reviews", "label", "accuracy")):
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        split_table(data / f"{name}.csv", place)
        yield name, place / "train.csv", place / "test.csv", ["--target", target], score
    place = folder / "beijing_pm25"
    place.mkdir(parents=True, exist_ok=True)
    known = folder / "known.csv"
    with (data / "beijing_pm25.csv").open(newline="") as file, known.open("w", newline="") as out:
        head, *rows = csv.reader(file)
        at = head.index("pm2.5")
        csv.writer(out).writerows([head, *(row for row in rows if row[at] not in ("NA", ""))])
    split_table(known, place)
    yield "beijing_pm25", place / "train.csv", place / "test.csv", ["--target", "pm2.5", "--type", "table"], "loss"
    pictures = folder / "cifar10_images"
    for part in ("train", "test"):
        if not (pictures / part).exists():
            shutil.copytree(data / "cifar10_images" / part, pictures / part)
    yield "cifar10_images", pictures / "train", pictures / "test", [], "accuracy"


def scored(folder: Path, run: str, test: Path, score: str) -> float:
    """Return a score of a run on data that it has not seen."""
    (found,) = json.loads(dlrun(folder, "eval", run, "--data", test, "--json")).values()
    return float(found[score])


def auto(folder: Path, data: Path, minutes: float, names: list[str]) -> None:
    """Print the scores of `init` with `train`, and of `auto`, on the test split."""
    print("| data | score on test | init + train | auto | minutes of auto | trials |\n|---|---|---|---|---|---|")
    for name, train, test, options, score in data_sets(data, folder):
        if names and name not in names:
            continue
        all_rows = ["--test", "0"] if train.suffix == ".csv" else []
        place = folder / f"{name}-runs"
        place.mkdir(exist_ok=True)
        if not (place / "init.yaml").exists():
            dlrun(
                place, "init", "init.yaml", "--data", train, *options, *(["--test", "0"] if "csv" in str(train) else [])
            )
        first = json.loads(dlrun(place, "train", "init.yaml", "--json"))
        before = scored(place, first["id"], test, score)
        metric = ["--metric", score] if score != "loss" else []
        began = time.perf_counter()
        wanted = ["--data", train, *options, *metric, "--minutes", minutes, "--json"]
        found = json.loads(dlrun(place, "auto", *wanted, *all_rows))
        taken = (time.perf_counter() - began) / 60
        run = found["final"]["id"] if found["final"] else found["search"]["winner"]["run"]
        after = scored(place, run, test, score)
        trials = sum(trial["status"] in ("completed", "paused") for trial in found["search"]["trials"])
        print(f"| {name} | {score} | {before:.4f} | {after:.4f} | {taken:.1f} | {trials} |", flush=True)


def main() -> None:
    """Run the benchmark that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("quality", "cost", "auto"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DLRUN_TEST_DATA", "data")))
    parser.add_argument("--names", nargs="*", default=[], help="only these data sets")
    wanted = parser.parse_args()
    folder, data = wanted.folder.absolute(), wanted.data.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if wanted.what == "quality":
        quality(folder, wanted.seeds)
    elif wanted.what == "cost":
        cost(folder, wanted.trials)
    else:
        auto(folder, data, wanted.minutes, wanted.names)


if __name__ == "__main__":
    main()
