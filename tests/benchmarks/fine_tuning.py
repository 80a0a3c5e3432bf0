"""What earlier training is worth where pictures are few.

    python tests/benchmarks/fine_tuning.py run DATA FOLDER [--seeds 5] [--pictures 50]
    python tests/benchmarks/fine_tuning.py imagenet DATA WEIGHTS FOLDER [--pictures 100]

DATA is a folder with train/<class>/*.jpg and test/<class>/*.jpg of ten classes.

`run` trains a small network on the first five classes, and fine-tunes it with `initialize` to the other five, of which
it gets a few pictures each; beside it, the same network from random weights. Both see the same pictures, and both are
scored on the test pictures of their five classes. The seeds draw the pictures and the random weights.

`imagenet` compares, on a few pictures of all ten classes, MobileNetV2 with the ImageNet weights of a file and the
network of configs/cifar_images_cnn.yaml.
"""

from __future__ import annotations

import argparse
import random
import shutil
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import dlrun

CNN = {
    "type": "cnn",
    "blocks": [
        {"filters": 32, "padding": "same", "pool_size": 2},
        {"filters": 64, "padding": "same", "pool_size": 2},
        {"filters": 64, "padding": "same", "pool_size": 2},
    ],
    "batch_normalization": True,
    "head_units": [64],
    "dropout": 0.2,
}


def main() -> None:
    """Read the command line, and print the table of one comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    ways = parser.add_subparsers(dest="way", required=True)
    for way in ("run", "imagenet"):
        options = ways.add_parser(way)
        options.add_argument("data", type=Path)
        if way == "imagenet":
            options.add_argument("weights", type=Path)
        options.add_argument("folder", type=Path)
        options.add_argument("--seeds", type=int, default=5)
        options.add_argument("--pictures", type=int, default=50 if way == "run" else 100)
        options.add_argument("--epochs", type=int, default=30)
    given = parser.parse_args()
    scores = from_a_run(given) if given.way == "run" else from_imagenet(given)
    print("| seed | " + " | ".join(scores) + " | difference |\n|---|" + "---|" * (len(scores) + 1))
    pairs = list(zip(*scores.values(), strict=True))
    for seed, pair in enumerate(pairs):
        print(f"| {seed} | " + " | ".join(f"{value:.3f}" for value in (*pair, pair[0] - pair[1])) + " |")
    gains = [first - second for first, second in pairs]
    means = [mean(values) for values in scores.values()]
    error = stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else float("nan")
    print(
        "| mean | "
        + " | ".join(f"{value:.3f}" for value in means)
        + f" | {mean(gains):.3f} (standard error {error:.3f}) |"
    )


def from_a_run(given: argparse.Namespace) -> dict[str, list[float]]:
    """Return the test accuracies of fine-tuning a run, and of training from random weights, by seed."""
    classes = sorted(path.name for path in (given.data / "train").iterdir())
    first, other = classes[:5], classes[5:]
    scores: dict[str, list[float]] = {"--from a run": [], "from scratch": []}
    parent = ""
    for seed in range(given.seeds):
        if not parent:
            pictures = few_pictures(given.data, given.folder / "parent", first, count=None, seed=0)
            parent = trained(pictures, given, seed=0)[0]
        pictures = few_pictures(given.data, given.folder / f"seed-{seed}", other, count=given.pictures, seed=seed)
        for way, start in zip(scores, (parent, None), strict=True):
            scores[way].append(trained(pictures, given, seed=seed, initialize=start)[1])
    return scores


def from_imagenet(given: argparse.Namespace) -> dict[str, list[float]]:
    """Return the test accuracies with ImageNet weights, and from random weights, by seed."""
    classes = sorted(path.name for path in (given.data / "train").iterdir())
    pretrained = {"type": "pretrained", "backbone": "mobilenet_v2", "alpha": 0.35, "weights": str(given.weights)}
    scores: dict[str, list[float]] = {"ImageNet": [], "from scratch": []}
    for seed in range(given.seeds):
        pictures = few_pictures(given.data, given.folder / f"ten-{seed}", classes, count=given.pictures, seed=seed)
        scores["ImageNet"].append(trained(pictures, given, seed=seed, size=[96, 96], model=pretrained)[1])
        scores["from scratch"].append(trained(pictures, given, seed=seed)[1])
    return scores


def few_pictures(data: Path, folder: Path, classes: list[str], *, count: int | None, seed: int) -> Path:
    """Copy some pictures of some classes for training, and all of them for the test."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in classes:
        files = sorted((data / "train" / name).iterdir())
        chosen = files if count is None else random.Random(f"{seed} {name}").sample(files, count)
        for split, paths in (("train", chosen), ("test", sorted((data / "test" / name).iterdir()))):
            (folder / split / name).mkdir(parents=True)
            for path in paths:
                shutil.copyfile(path, folder / split / name / path.name)
    return folder


def trained(
    pictures: Path, given: argparse.Namespace, *, seed: int, size: list[int] | None = None,
    model: dict[str, Any] | None = None, initialize: str | None = None,
) -> tuple[str, float]:  # fmt: skip
    """Train on some pictures; the id of the run and its test accuracy."""
    spec = {
        "name": pictures.name,
        "seed": seed,
        "dataset": {"type": "images", "path": str(pictures), "size": size},
        "model": model or CNN,
        "optimizer": {"type": "adam", "learning_rate": 1e-3},
        "schedule": "cosine",
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "training": {"batch_size": 25, "epochs": given.epochs, "report": False, "tensorboard": False},
        "initialize": initialize,
    }
    done = dlrun.train(spec, runs_dir=given.folder / "runs")
    return done.folder.id, done.scores["test"]["accuracy"]


if __name__ == "__main__":
    main()
