"""What the learning rates of `dlrun find learning-rate` are worth, beside those of the configs.

    python tests/benchmarks/learning_rates.py FOLDER [--seeds 3] [--configs digits_cnn,digits_mlp]

For each config the rate is found on the training split, and both rates are trained with several seeds, with a fifth of
the examples held out for validation. The table has the validation loss of the final models, mean and each seed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CONFIGS = ("digits_cnn", "digits_mlp", "digits_lstm", "digits_autoencoder", "wine_mlp", "sequence_lstm")
HELD_OUT = ("--set", "dataset.validation=0.2")
QUIET = ("--set", "training.report=false", "--set", "training.tensorboard=false")


def dlrun(folder: Path, *arguments: object) -> Any:
    """Run a command in a folder; its JSON."""
    command = [sys.executable, "-m", "dlrun", *map(str, arguments), "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def losses(folder: Path, config: Path, rate: float, seeds: int) -> list[float]:
    """The validation loss of each seed with a learning rate."""
    options = ("--set", f"optimizer.learning_rate={rate}", *HELD_OUT, *QUIET)
    found = dlrun(folder, "batch", config, "--seeds", seeds, *options)
    return [run["result"]["validation"]["loss"] for run in found["runs"]]


def shown(values: list[float]) -> str:
    """Mean and values."""
    return f"{sum(values) / len(values):.4f} ({', '.join(f'{value:.4f}' for value in sorted(values))})"


def main() -> None:
    """Print a row for each config."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--configs", default=",".join(CONFIGS))
    wanted = parser.parse_args()
    wanted.folder.mkdir(parents=True, exist_ok=True)
    print("| config | its rate | validation loss | found | validation loss |\n|---|---|---|---|---|", flush=True)
    for name in wanted.configs.split(","):
        config = Path(__file__).parents[2].absolute() / "configs" / f"{name}.yaml"
        found = dlrun(wanted.folder, "find", "learning-rate", config, *HELD_OUT)
        row = [name, f"{found['own']:g}", shown(losses(wanted.folder, config, found["own"], wanted.seeds))]
        if found["rate"] is None:
            row += ["none", found["reason"]]
        else:
            row += [f"{found['rate']:g}", shown(losses(wanted.folder, config, found["rate"], wanted.seeds))]
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
