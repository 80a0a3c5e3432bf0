"""Several GPUs: one model on two of them, and a batch with one run on each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlrun.gpu_check.check import CheckPlace, CheckVerdict, Found
from dlrun.gpu_check.program import DIGITS, read_records, read_rows, run_command, train_apart, write_config

_SAME_LOSS = 2e-3
"""The largest relative difference of a loss: sums are made in another order, and differences grow with the steps."""
_MOST_RUNS = 8
_NOTE_GPU = """
import os
from pathlib import Path

with (Path(__file__).parent / "seen").open("a") as file:
    file.write(f"{os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES', '')}\\n")
"""
"""A plugin that writes down which GPUs the process of a run may see."""


def need_two(place: CheckPlace) -> str:
    """Return that two devices are needed, if there are fewer."""
    kind = "GPU" if place.device == "gpu" else "CPU core"
    return "" if place.count > 1 else f"needs two {kind}s, and here is one"


def measure_replicas(place: CheckPlace) -> Found:
    """Train a network with batch normalization on one device and on two, in true float32."""
    config = write_config(place, DIGITS)
    same = ("training.precision=float32", "training.jit=off", "training.cpu_shares=1", "training.epochs=2")
    losses = {}
    for number, numbers in enumerate(("0", "0,1")):
        runs = f"runs-{number}"
        # By default, a GPU multiplies float32 numbers with a mantissa of only ten bits (TF32).
        record = train_apart(
            place, config, f"training.device={place.device}:{numbers}", *same, runs=runs, NVIDIA_TF32_OVERRIDE="0"
        )
        rows = read_rows(next((place.folder / runs).iterdir()))
        losses[numbers] = [row["loss"] for row in rows] + [record["result"]["test"]["loss"]]
    return {"one": losses["0"], "two": losses["0,1"]}


def judge_replicas(found: Found) -> CheckVerdict:
    """Pass if all losses are equal up to rounding."""
    differences = [abs(a - b) / max(abs(a), 1e-9) for a, b in zip(found["one"], found["two"], strict=True)]
    largest = max(differences)
    text = f"losses of two epochs and of the test split differ by {largest:.1e} at most; uneven last batch included"
    return CheckVerdict.of([] if largest <= _SAME_LOSS else [text], text)


def measure_batch(place: CheckPlace) -> Found:
    """Train a batch of twice as many runs as devices, each in a fork of a process that has imported TensorFlow."""
    plugin = place.folder / "note_gpu.py"
    plugin.write_text(_NOTE_GPU)
    slots = min(place.count, _MOST_RUNS) if not place.is_rehearsal else 2
    config = {**DIGITS, "plugins": [str(plugin)], "training": {**DIGITS["training"], "epochs": 2}}
    path = write_config(place, config)
    options = ("--set", f"training.device={place.device}", "--jobs", str(slots), "--quiet")
    run_command(place, "batch", str(path), "--seeds", str(2 * slots), "--runs-dir", "runs", *options)
    found: dict[str, Any] = {"slots": slots, "device": place.device, "runs": _described(place.folder / "runs")}
    lines = [line.partition(" ")[2].strip() for line in (place.folder / "seen").read_text().splitlines()]
    found["seen"] = sorted(set(lines) - {os.environ.get("CUDA_VISIBLE_DEVICES", "")})
    if not place.is_rehearsal and place.count > 1:
        from dlrun.training.devices.gpus import visible_gpus

        last = visible_gpus()[-1]
        record = train_apart(place, path, "training.device=gpu", runs="last", CUDA_VISIBLE_DEVICES=last)
        found["last"] = record["device"]["value"]
    return found


def _described(runs: Path) -> list[Mapping[str, str]]:
    return [{"status": each["status"], "device": each["device"]["value"]} for each in read_records(runs)]


def judge_batch(found: Found) -> CheckVerdict:
    """Pass if every run completed on the kind of device that was asked for, and the runs saw one GPU each."""
    runs, slots = found["runs"], found["slots"]
    problems = []
    if len(runs) != 2 * slots or any(run["status"] != "completed" for run in runs):
        problems.append(f"of {2 * slots} runs {sum(run['status'] == 'completed' for run in runs)} completed")
    if elsewhere := {run["device"] for run in runs if not run["device"].startswith(found["device"])}:
        problems.append(f"runs were trained on {', '.join(sorted(elsewhere))}")
    if found["device"] == "gpu":
        seen = [each for each in found["seen"] if each]
        if len(seen) != slots and not (slots == 1 and not seen):
            problems.append(f"the runs saw the GPUs {', '.join(seen) or 'of nobody'} instead of one of {slots} each")
        if not found.get("last", "gpu:0").startswith("gpu:0"):
            problems.append(f"CUDA_VISIBLE_DEVICES with one GPU gave {found['last']}")
    where = f"one on each of {slots} GPUs" if found["device"] == "gpu" else f"{slots} at a time"
    return CheckVerdict.of(problems, f"{2 * slots} runs in forks of one process, {where}")
