"""`dlrun auto` from a file to a model, as a user starts it."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.soak]


def test_auto_leaves_a_config_a_winner_and_a_final_run_within_its_minutes(tmp_path: Path) -> None:
    rows = "\n".join(f"{i * 7 % 13 / 3},{i * 5 % 11},{'yes' if i * 7 % 13 > 6 else 'no'}" for i in range(300))
    (tmp_path / "t.csv").write_text("a,b,label\n" + rows)
    command = [sys.executable, "-m", "dlrun", "auto", "--data", "t.csv", "--minutes", "2", "--metric", "auc", "--json"]
    began = time.monotonic()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 132
    found = json.loads(done.stdout)
    assert found["search"]["winner"]["run"]
    final = tmp_path / "runs" / found["final"]["id"]
    assert (final / "report.html").is_file()
    assert found["final"]["dataset"]["examples"] == {"train": 300}
    check = [sys.executable, "-m", "dlrun", "validate", "auto.yaml"]
    again = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
