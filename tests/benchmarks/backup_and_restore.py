"""The same kills against `dlrun train` and against `model.fit` with Keras' own BackupAndRestore and ModelCheckpoint.

    python tests/benchmarks/backup_and_restore.py [RUNS] [KILLS]

One model with dropout on the embedded digits, one batch size, one number of epochs. Every process is killed (`kill -9`)
at a moment drawn from one seed for both: a fraction of the time that an uninterrupted training takes, counted from the
first line that begins with `training`. After the last kill it runs to its end. Compared with the uninterrupted run of
the same tool: the final weights to the bit, and the history (one row an epoch, scores equal), which `fit` keeps with
CSVLogger(append=True). `control` is a second run that nobody kills. A run is stuck if a process that is started again
after a kill ends with an error; it counts as identical in nothing. A broken file is a checkpoint that its own tool
cannot load, a backup left over after the end, or a temporary file that nobody removes.

An epoch takes a fraction of a second here, so more kills hit a file that is just being written than in a long training.
"""

import csv
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EPOCHS, BATCH_SIZE = 20, 16
SPEC = f"""\
name: dropout
dataset: {{type: builtin, name: digits, validation: 0.1}}
model: {{type: mlp, units: [32], dropout: 0.3}}
optimizer: adam
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {{batch_size: {BATCH_SIZE}, epochs: {EPOCHS}, tensorboard: false}}
"""
SCORES = ("loss", "accuracy", "val_loss", "val_accuracy")


@dataclass(frozen=True)
class Outcome:
    """What a training has left in its folder."""

    weights: str
    history: list[dict[str, float]]
    broken: int


class StuckError(Exception):
    """A process ended with an error."""


def fit() -> None:
    """Train with `model.fit` in the current folder; what a careful user writes today."""
    import keras

    from dlrun.spec.parse import read_spec

    splits = read_spec(Path("dropout.yaml")).spec.dataset.load().splits
    (x, y), validation = ((splits[name].features / 16.0, splits[name].target) for name in ("train", "validation"))
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input(x.shape[1:]), layers.Flatten(), layers.Dense(32, "relu"), layers.Dropout(0.3)]
    )
    model.add(layers.Dense(10, "softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    callbacks = [
        keras.callbacks.BackupAndRestore("backup"),
        keras.callbacks.ModelCheckpoint("best.keras", monitor="val_loss", save_best_only=True),
        keras.callbacks.CSVLogger("history.csv", append=True),
    ]
    sys.stderr.write("training\n")
    sys.stderr.flush()
    model.fit(
        x, y, batch_size=BATCH_SIZE, epochs=EPOCHS, validation_data=validation, callbacks=callbacks, verbose=0
    )  # fmt: skip
    digest = hashlib.sha256(b"".join(variable.numpy().tobytes() for variable in model.variables))
    Path("weights").write_text(digest.hexdigest())


def outcome_of_fit(folder: Path) -> Outcome:
    import keras

    broken = sum(path.is_file() for path in folder.glob("backup/**/*"))  # removed by the callback when training ends
    for path in folder.glob("*.keras"):
        try:
            keras.models.load_model(path)
        except Exception:  # noqa: BLE001  what a damaged archive raises depends on where it is damaged
            broken += 1
    if not (folder / "weights").exists():
        return Outcome("", [], broken)
    with (folder / "history.csv").open() as file:
        rows = [{name: float(row[name]) for name in SCORES} for row in csv.DictReader(file)]
    return Outcome((folder / "weights").read_text(), rows, broken)


def outcome_of_dlrun(folder: Path) -> Outcome:
    from dlrun.errors import CheckpointError
    from dlrun.training.checkpoints.checkpoint import read_checkpoint

    (run,) = (folder / "runs").iterdir()
    broken = len(list(run.glob("checkpoints/.*"))) + len(list(run.glob(".*.new")))
    for path in run.glob("checkpoints/[!.]*"):
        try:
            read_checkpoint(path)
        except CheckpointError:
            broken += 1
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    weights = json.loads((run / "run.json").read_text())["weights_sha256"]
    return Outcome(weights, [{name: row[name] for name in SCORES} for row in rows], broken)


def run_once(command: list[str], folder: Path, *, seconds: float | None) -> float | None:
    """Run a process and kill it so many seconds after its training began.

    Returns:
        How long it trained; None if it was killed.
    """
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said = []
    while line := process.stderr.readline():
        said.append(line)
        if line.startswith("training"):
            break
    began = time.perf_counter()
    reader = threading.Thread(target=lambda: said.extend(process.stderr or ()))
    reader.start()
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None
    finally:
        reader.join()
    if code:
        raise StuckError("".join(said).strip().splitlines()[-1])
    return time.perf_counter() - began


def killed(tool: str, folder: Path, moments: list[float], *, seconds: float) -> tuple[int, str]:
    """Train in `folder`, killed at each of the moments (fractions of `seconds`).

    Returns:
        The number of kills, and the error that ended the run for good, if there was one.
    """
    folder.mkdir()
    (folder / "dropout.yaml").write_text(SPEC)
    kills = 0
    try:
        for moment in (*moments, None):
            left = None if moment is None else moment * seconds
            if run_once(command(tool, folder), folder, seconds=left) is not None:
                break
            kills += 1
    except StuckError as error:
        return kills, str(error)
    return kills, ""


def command(tool: str, folder: Path) -> list[str]:
    if tool == "fit":
        return [str(Path(__file__).resolve()), "--fit"]
    return ["-m", "dlrun", *(["resume", "last"] if (folder / "runs").exists() else ["train", "dropout.yaml"])]


def main(runs: int, kills: int) -> None:
    read: dict[str, Any] = {"dlrun": outcome_of_dlrun, "fit": outcome_of_fit}
    names = {"dlrun": "dlrun train, resume", "fit": "model.fit, BackupAndRestore + ModelCheckpoint"}
    heads = (
        "tool",
        "runs",
        "control",
        "kills",
        "stuck",
        "final weights identical",
        "history identical",
        "broken files left",
    )
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        os.environ["DLRUN_STATE"] = name
        for tool, outcome in read.items():
            folder = Path(name) / tool
            folder.mkdir()
            (folder / "whole").mkdir()
            (folder / "whole" / "dropout.yaml").write_text(SPEC)
            seconds = run_once(command(tool, folder / "whole"), folder / "whole", seconds=None)
            expected, draw = outcome(folder / "whole"), random.Random(0)
            killed(tool, folder / "control", [], seconds=0)
            control = "identical" if outcome(folder / "control") == expected else "differs"
            found, done = [], 0
            stuck: list[str] = []
            for number in range(runs):
                moments = [draw.uniform(0, 1.2 / kills) for _ in range(kills)]
                kills_done, error = killed(tool, folder / str(number), moments, seconds=seconds or 0)
                done, stuck = done + kills_done, [*stuck, error] if error else stuck
                found.append(outcome(folder / str(number)))
            same = [
                sum(one.weights == expected.weights for one in found),
                sum(one.history == expected.history for one in found),
            ]
            cells = (
                names[tool],
                runs,
                control,
                done,
                f"{len(stuck)}/{runs}",
                *(f"{count}/{runs}" for count in same),
                sum(one.broken for one in found),
            )
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
            sys.stderr.write("".join(f"stuck: {error}\n" for error in stuck))


if __name__ == "__main__":
    if sys.argv[1:] == ["--fit"]:
        fit()
    else:
        given = [int(argument) for argument in sys.argv[1:]]
        main(*given, *(5, 3)[len(given) :])
