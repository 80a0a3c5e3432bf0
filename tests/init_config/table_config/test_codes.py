"""Small whole numbers are codes if they explain held-out rows better as categories than as numbers."""

from pathlib import Path

import numpy as np
import pytest

from dlrun.init_config.draft import Wishes
from dlrun.init_config.write import write_config
from dlrun.spec.parse import read_spec


def draft(tmp_path: Path, name: str, columns: dict[str, object]) -> str:
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    path = write_config(str(tmp_path / f"{name}.csv"), tmp_path / f"{name}.yaml", Wishes(target="y")).path
    read_spec(path)
    return path.read_text()


@pytest.mark.parametrize("task", ["numbers", "classes"])
def test_codes_become_categories_and_amounts_stay_numbers(tmp_path: Path, task: str) -> None:
    random = np.random.default_rng(0)
    code, amount, noise = random.integers(0, 9, 600), random.integers(0, 9, 600), random.normal(size=600)
    height = np.array([3.0, -2, 5, 0, -6, 4, -1, 2, -5])[code] + amount + noise
    y = height.round(3) if task == "numbers" else np.where(height > height.mean(), "high", "low")
    text = draft(tmp_path, task, {"code": code, "amount": amount, "y": y})
    assert "categorical: [code]" in text
    assert "read as numbers: amount" in text


def test_what_is_chosen_does_not_depend_on_the_rows_of_the_test_split(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    code, y = random.integers(0, 6, 400), random.normal(size=400)
    # The split column gives the last rows to the test, and only there does the code explain the target.
    split = np.array(["train"] * 240 + ["validation"] * 60 + ["test"] * 100)
    planted = np.where(split == "test", np.array([9.0, -9, 9, -9, 9, -9])[code], y)
    columns = {"code": code, "x": random.normal(size=400).round(3), "split": split}
    plain = draft(tmp_path, "plain", {**columns, "y": y.round(3)})
    with_signal = draft(tmp_path, "trick", {**columns, "y": planted.round(3)})
    assert "categorical: [code]" not in with_signal
    assert with_signal == plain.replace("plain", "trick")
