"""A folder of runs to ask, and a record of the runs that a listing reads."""

import time
from pathlib import Path

import pytest

from dlrun.runs.folder import RunFolder
from dlrun.runs.query import listing
from dlrun.runs.query.summary import RunSummary


@pytest.fixture(scope="module")
def runs_dir(tmp_path_factory: pytest.TempPathFactory, spec_text: str) -> Path:
    """Make four runs, one of which has no record."""
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


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Records the runs whose run.json is read."""
    names: list[str] = []
    original = listing.read_summary

    def counted(runs_dir: Path, name: str) -> RunSummary:
        names.append(name)
        return original(runs_dir, name)

    monkeypatch.setattr(listing, "read_summary", counted)
    return names
