"""Which runs are listed, and in which order."""

from pathlib import Path

import pytest

from dlrun.errors import UsageError
from dlrun.runs.query.fields import RunFields
from dlrun.runs.query.listing import scan_runs
from dlrun.runs.query.selection import Selection


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("val_accuracy", ["b", "a", "c", ""]),
        ("-val_accuracy", ["a", "b", "c", ""]),
        ("seconds", ["c", "b", "a", ""]),
        ("status", ["a", "b", "", "c"]),
        ("training.batch_size", ["a", "b", "c", ""]),
        ("-training.batch_size", ["c", "b", "a", ""]),
    ],
)
def test_sorting_puts_runs_without_a_value_last(runs_dir: Path, sort: str, names: list[str]) -> None:
    runs = sorted(scan_runs(runs_dir), key=lambda run: run.id)
    found = [run.name for run in Selection(sort=sort).of(runs, RunFields(runs))]
    assert found == names


def test_status_and_limit_select_runs(runs_dir: Path) -> None:
    runs = scan_runs(runs_dir)
    fields = RunFields(runs)
    assert {run.status for run in Selection(status="failed, damaged").of(runs, fields)} == {"failed", "damaged"}
    assert Selection(limit=2).of(runs, fields) == runs[:2]
    with pytest.raises(UsageError, match="there is no status 'fialed'") as raised:
        Selection(status="fialed").of(runs, fields)
    assert raised.value.hint == "did you mean 'failed'?"
    with pytest.raises(UsageError, match="no run has a key 'secs'"):
        Selection(sort="-secs").of(runs, fields)
