"""What the contestants measured in, Markdown out."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contest import CONTESTANTS, INSTALL_TORCH
from works import WORKS

Measured = Mapping[str, Sequence[Mapping[str, Any]]]
"""By contestant, one for each round that went well."""


def medians(results: Measured, work: str) -> dict[str, float]:
    """The seconds that are compared, by contestant: of an epoch, an evaluation, or a command; medians over the rounds.

    Epochs are steady ones: all but the first of each round, if there are more.
    """
    if WORKS[work].whole_command:
        return {
            name: statistics.median(run["process_seconds"] for run in runs) for name, runs in results.items() if runs
        }
    if not WORKS[work].epochs:
        return {
            name: statistics.median(run["evaluate_seconds"] for run in runs) for name, runs in results.items() if runs
        }
    epochs = {
        name: [seconds for run in runs for seconds in run["epoch_seconds"][1:] or run["epoch_seconds"]]
        for name, runs in results.items()
    }
    return {name: statistics.median(seconds) for name, seconds in epochs.items() if seconds}


def comparison(results: Mapping[str, Measured], *, has_torch: bool) -> str:
    """The first table: seconds, and how many times dlrun's they are."""
    heads = ("work", *CONTESTANTS.values(), "scores, in this order")
    lines = [_row(*heads), "|" + "---|" * len(heads)]
    for work, measured in results.items():
        seconds = medians(measured, work)
        cells = []
        for name in CONTESTANTS:
            cell = _absent(work, name, has_torch=has_torch)
            if name in seconds:
                ratio = f" ({seconds[name] / seconds['dlrun']:.2f}x)" if name != "dlrun" and "dlrun" in seconds else ""
                cell = f"{seconds[name]:.3g} s{ratio}"
            cells.append(cell)
        lines.append(_row(f"{work}: {_unit(work)}", *cells, _scores(measured, work)))
    return "\n".join(lines)


def whole(results: Mapping[str, Measured], *, has_torch: bool) -> str:
    """The second table: the process, the training in it with tracing and compilation, the highest memory, and how."""
    heads = ("work: process; training in it; peak memory", *CONTESTANTS.values())
    lines = [_row(*heads), "|" + "---|" * len(heads)]
    for work, measured in results.items():
        cells = []
        for name in CONTESTANTS:
            runs = measured.get(name, ())
            cell = _absent(work, name, has_torch=has_torch)
            if runs:
                cell = _whole_cell(runs, trains=WORKS[work].epochs > 0)
            cells.append(cell)
        lines.append(_row(work, *cells))
    return "\n".join(lines)


def machine(torch: str | None) -> str:
    """The CPU, its cores, and the versions of what was compared, in one line."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.*)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else None
    names = ("dlrun", "tensorflow", "keras")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in names]
    if torch:
        told = subprocess.run(
            [torch, "-c", "import importlib.metadata as m; print(m.version('torch'))"],
            capture_output=True,
            text=True,
            check=False,
        )
        versions.append(f"torch {told.stdout.strip() or 'broken'}")
    cpu = found[1] if found else platform.processor() or platform.machine()
    return f"{cpu}, {os.cpu_count()} cores; Python {platform.python_version()}, {', '.join(versions)}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _whole_cell(runs: Sequence[Mapping[str, Any]], *, trains: bool) -> str:
    keys = ("process_seconds", "train_seconds", "peak_rss_mib")
    process, training, memory = (statistics.median(run[key] for run in runs) for key in keys)
    times = f"{process:.1f} s; {training:.1f} s; " if trains else ""
    return f"{times}{memory:.0f} MiB ({runs[0]['precision']}{', XLA' if runs[0]['jit'] == 'on' else ''})"


def _unit(work: str) -> str:
    if WORKS[work].whole_command:
        return "the whole command"
    return "an epoch" if WORKS[work].epochs else "the test split once, untrained"


def _absent(work: str, contestant: str, *, has_torch: bool) -> str:
    if WORKS[work].whole_command and contestant not in ("dlrun", "naive_keras"):
        return "-"
    if contestant == "pytorch" and not has_torch:
        return f"not installed: {INSTALL_TORCH}"
    return "failed"


def _scores(results: Measured, work: str) -> str:
    if not WORKS[work].epochs:
        return "-"
    scores = [
        statistics.median(next(iter(run["score"].values())) for run in results[name]) if results.get(name) else None
        for name in CONTESTANTS
    ]
    kind = "accuracy" if WORKS[work].outputs > 1 else "mse"
    return f"{kind} {', '.join('-' if score is None else f'{score:.4f}' for score in scores)}"
