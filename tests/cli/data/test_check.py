"""`dlrun data check` as a person runs it."""

import json
from pathlib import Path

from command_line import started


def test_check_exits_with_1_for_a_failure_and_0_for_warnings(folder: Path) -> None:
    done = started("data", "check", "towns.yaml", cwd=folder)
    assert done.returncode == 0, done.stdout
    assert "pass      target given away" in done.stdout
    lines = (folder / "towns.csv").read_text().splitlines()
    (folder / "leak.csv").write_text("".join(f"{line},{line[-1]}\n" for line in lines))
    done = started("data", "check", "towns.yaml", "--set", "dataset.path=leak.csv", "--json", cwd=folder)
    assert done.returncode == 1
    failed = [finding["said"] for finding in json.loads(done.stdout) if finding["status"] == "failure"]
    assert failed == ["l alone predicts the target with 1.0000"]


def test_data_that_does_not_load_is_exit_code_3(folder: Path) -> None:
    assert started("data", "check", "towns.yaml", "--set", "dataset.path=gone.csv", cwd=folder).returncode == 3
