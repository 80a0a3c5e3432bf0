"""Which runs are listed, and in which order."""

import time
from pathlib import Path

import pytest

from dlrun.errors import UsageError
from dlrun.runs.folder import RunFolder
from dlrun.runs.query.fields import RunFields
from dlrun.runs.query.listing import scan_runs
from dlrun.runs.query.selection import Selection


@pytest.fixture(scope="module")
def runs_dir(tmp_path_factory: pytest.TempPathFactory, spec_text: str) -> Path:

    runs_dir = tmp_path_factory.mktemp("where") / "runs"
    kinds = {
        "a": {"result": {"validation": {"accuracy": 0.99}}, "model": {"type": "cnn"}, "tags": ["paper", "two words"]},
        "b": {"result": {"validation": {"accuracy": 0.97}}, "model": {"type": "cnn"}, "seconds": 90.0},
        "c": {"result": {"test": {"accuracy": 0.5}}, "model": {"type": "mlp"}, "status": "failed", "seconds": 5.0},
    }
    for number, (name, changes) in enumerate(kinds.items()):
        folder = RunFolder.create(runs_dir, name=name)
        folder.spec_yaml.write_text(
            spec_text.replace("32\n", f"{32 << number}\n").replace("[64, 32]", f"[{number}, 32]")
        )
        started = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - 100_000 * number))
        folder.update_record(**{"status": "completed", "started": started, **changes})
    (runs_dir / "d").mkdir()
    return runs_dir


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
