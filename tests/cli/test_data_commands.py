"""`dlrun data ...` and `dlrun init --data` as a person runs them: what they print where, and their exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CSV = "size,town,label\n" + "".join(f"{row % 9}.{row},{'ab'[row % 2]},{'xy'[row // 3 % 2]}\n" for row in range(60))


def dlrun(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dlrun", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a table, and a config that `init` wrote for it."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "towns.csv").write_text(CSV)
    done = dlrun("init", "--data", "towns.csv", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "wrote towns.yaml; train it with: dlrun train towns.yaml\n"
    assert "target: label, chosen by its name (--target for another)" in done.stderr
    return folder


def test_show_prints_a_page_or_json(folder: Path) -> None:
    page = dlrun("data", "show", "towns.yaml", cwd=folder)
    assert page.returncode == 0, page.stderr
    assert "splits    train 43, validation 5, test 12" in page.stdout
    assert "town" in page.stdout
    assert not page.stderr
    done = dlrun("data", "show", "towns.yaml", "--samples", 2, "--set", "dataset.test=0", "--json", cwd=folder)
    assert json.loads(done.stdout)["splits"] == {"train": 54, "validation": 6}
    assert len(json.loads(done.stdout)["examples"]) == 2


def test_check_exits_with_1_for_a_failure_and_0_for_warnings(folder: Path) -> None:
    done = dlrun("data", "check", "towns.yaml", cwd=folder)
    assert done.returncode == 0, done.stdout
    assert "pass      target given away" in done.stdout
    (folder / "leak.csv").write_text("".join(f"{line},{line[-1]}\n" for line in CSV.splitlines()))
    done = dlrun("data", "check", "towns.yaml", "--set", "dataset.path=leak.csv", "--json", cwd=folder)
    assert done.returncode == 1
    failed = [finding["said"] for finding in json.loads(done.stdout) if finding["status"] == "failure"]
    assert failed == ["l alone predicts the target with 1.0000"]


def test_data_that_does_not_load_is_exit_3_and_a_bad_command_line_2(folder: Path) -> None:
    assert dlrun("data", "check", "towns.yaml", "--set", "dataset.path=gone.csv", cwd=folder).returncode == 3
    assert dlrun("data", "show", "towns.yaml", "--images", "grid.png", cwd=folder).returncode == 2
    assert dlrun("init", "--target", "label", cwd=folder).returncode == 2
    assert dlrun("init", "--data", "towns.csv", cwd=folder).returncode == 2
    assert dlrun("data", "fetch", "a b", cwd=folder).returncode == 2


def test_fetch_says_where_a_prepared_set_is_and_what_to_set(folder: Path, shared_data: Path) -> None:
    where = shared_data / "tensorflow_datasets"
    done = dlrun("data", "fetch", "mnist", "--data-dir", where, cwd=folder)
    assert done.stdout.startswith(f"already there  {where}/mnist/3.0.1\n")
    assert "train 60,000, test 10,000" in done.stdout
    assert "set TFDS_DATA_DIR" in done.stdout
    done = dlrun("data", "fetch", "mnist", "--data-dir", where, "--json", cwd=folder)
    assert json.loads(done.stdout)["was_there"] is True
