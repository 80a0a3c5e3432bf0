"""What has to be equal when two runs are said to be identical."""

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TIMINGS = {"seconds", "examples_per_second", "data_wait"}


def outcome(run: Path) -> dict[str, Any]:
    """Everything of a completed run that must not depend on how often it was killed."""
    from dlrun.training.checkpoints.checkpoint import read_checkpoint

    record = json.loads((run / "run.json").read_text())
    last = max((run / "checkpoints").glob("step-*"))
    best, state = read_checkpoint(run / "checkpoints" / "best").arrays, read_checkpoint(last).state["training"]
    with (run / "metrics.csv").open() as file:
        table = [{name: value for name, value in row.items() if name not in TIMINGS} for row in csv.DictReader(file)]
    rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    intervals = run / "intervals.json"  # of a regression; the checksum in it covers timings
    conformal = json.loads(intervals.read_text())["conformal"] if intervals.exists() else None
    return {
        **{key: record[key] for key in ("status", "exact", "weights_sha256", "result", "best", "reason", "precision")},
        "metrics.jsonl": [{name: value for name, value in row.items() if name not in TIMINGS} for row in rows],
        "metrics.csv": table,
        "best arrays": {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in sorted(best.items())},
        "last checkpoint": (last.name, {**state, "seconds": None}),
        "intervals": (record["intervals"], conformal),
    }


@pytest.fixture(scope="session")
def dlrun(forked: Any) -> Any:
    return forked


@pytest.fixture(scope="session")
def outcome_of() -> Callable[[Path], dict[str, Any]]:
    return outcome
