"""Runs as training leaves them, each created in a millisecond."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlrun.runs.folder import RunFolder

SPEC = """\
name: NAME
dataset:
  type: builtin
  name: digits
model:
  type: mlp
  units: [64, 32]
  blocks:
  - {filters: 8}
  - {filters: 16}
optimizer:
  type: adam
  learning_rate: 1.0e-03
  weight_decay: null
training:
  batch_size: 32
  shuffle: true
  jit: 'off'
"""

MakeRun = Callable[..., RunFolder]


@pytest.fixture(scope="session")
def spec_text() -> str:
    """Return a spec with as much as questions about runs need."""
    return SPEC


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Creates a run in `tmp_path / "runs"`: name, minute of its start, keys of run.json, replacements in its spec."""

    def make(name: str = "x", *, minute: int = 0, spec: tuple[str, str] = ("~", "~"), **changes: Any) -> RunFolder:
        folder = RunFolder.create(tmp_path / "runs", name=name)
        folder.spec_yaml.write_text(SPEC.replace("NAME", json.dumps(name)).replace(*spec))
        started = f"2026-11-21T{14 + minute // 60}:{minute % 60:02}:00+01:00"
        folder.update_record(**{"started": started, "status": "completed", **changes})
        return folder

    return make


@pytest.fixture
def three_hundred(tmp_path: Path) -> Path:
    """A folder with 300 runs of two kinds, all old enough for an index."""
    sample = RunFolder.create(tmp_path / "sample", name="many")
    sample.update_record(status="completed", seconds=2.5, model={"type": "cnn", "parameters": 7}, tags=["a"])
    record = json.loads(sample.run_json.read_text())
    for number in range(300):
        folder = tmp_path / "runs" / f"20261121-140000-many-{number:04x}"
        folder.mkdir(parents=True)
        record.update(id=folder.name, result={"test": {"accuracy": number / 300}})
        (folder / "run.json").write_text(json.dumps(record))
        (folder / "spec.yaml").write_text(SPEC.replace("32\n", f"{32 << number % 2}\n"))
    return tmp_path / "runs"


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as old enough for the index at once, since tests cannot wait for two seconds."""
    monkeypatch.setattr("dlrun.runs.query.index._SETTLED_NS", -(10**15))
