"""Three runs written by hand, and `dlrun runs ...` in this process: no TensorFlow is needed."""

import json
from pathlib import Path

import pytest

from command_line import Dlrun, in_this_process
from dlrun.runs.folder import RunFolder

NAMES = ("<script>alert(1)</script>", "=HYPERLINK(1)", "plain")


@pytest.fixture
def folders(tmp_path: Path) -> list[RunFolder]:
    """Three runs, the last one the newest."""
    made = []
    for number, name in enumerate(NAMES):
        folder = RunFolder.create(tmp_path / "runs", name=name)
        folder.spec_yaml.write_text(json.dumps({"name": name, "training": {"batch_size": 32 << number}}))
        folder.update_record(
            status="completed",
            started=f"2026-11-21T14:0{number}:00+01:00",
            seconds=60.0 * number,
            model={"type": "cnn", "parameters": 1000},
            dataset={"name": "digits", "fingerprint": str(number) * 64, "examples": {"train": 9}},
            result={"test": {"accuracy": 0.5 + number / 10}},
            best={"metric": "val_loss", "value": 0.5, "epoch": 3, "step": 9},
        )
        for epoch in (1, 2, 3):
            row = {"epoch": epoch, "step": 3 * epoch, "seconds": 1.0, "examples_per_second": 9.0}
            folder.append_metrics({**row, "loss": 1 / epoch, "val_loss": 2 / epoch})
        made.append(folder)
    return made


@pytest.fixture
def dlrun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dlrun:
    monkeypatch.chdir(tmp_path)
    return in_this_process("runs", capsys)
