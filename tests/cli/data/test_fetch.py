"""`dlrun data fetch` as a person runs it."""

import json
from pathlib import Path

from command_line import started


def test_fetch_prints_the_folder_and_how_to_use_it(folder: Path, shared_data: Path) -> None:
    where = shared_data / "tensorflow_datasets"
    done = started("data", "fetch", "mnist", "--data-dir", where, cwd=folder)
    assert done.stdout.startswith(f"already there  {where}/mnist/3.0.1\n")
    assert "train 60,000, test 10,000" in done.stdout
    assert "set TFDS_DATA_DIR" in done.stdout
    done = started("data", "fetch", "mnist", "--data-dir", where, "--json", cwd=folder)
    assert json.loads(done.stdout)["was_there"] is True


def test_a_name_with_a_space_is_exit_code_2(tmp_path: Path) -> None:
    assert started("data", "fetch", "a b", cwd=tmp_path).returncode == 2
