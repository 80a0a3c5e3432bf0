"""The table can be pasted, and a rehearsal can never be taken for a measurement."""

from pathlib import Path

from dlrun.gpu_check import table
from dlrun.gpu_check.check import CheckPlace, CheckRow, CheckVerdict

GPU, CPU = CheckPlace("gpu", 2, Path()), CheckPlace("cpu", 2, Path())


def test_each_row_is_one_line_of_four_cells_whatever_it_says() -> None:
    row = CheckRow("a check", CheckVerdict("failed", "first | line\nsecond " + "x" * 1000), 12.3)
    line = table.line(row, GPU)
    assert "\n" not in line
    assert line.replace("\\|", "").count("|") == table.header().splitlines()[0].count("|") == 5
    assert line.startswith("| a check | failed | failed: first \\| line second x")
    assert line.endswith("x ... | 12 |")


def test_every_result_of_a_rehearsal_is_marked() -> None:
    assert "| ok (rehearsal) |" in table.line(CheckRow("a", CheckVerdict("ok", "fine"), 1), CPU)
    assert "| failed (rehearsal) |" in table.line(CheckRow("a", CheckVerdict("failed", "bad"), 1), CPU)
    assert "| ok |" in table.line(CheckRow("a", CheckVerdict("ok", "fine"), 1), GPU)
    assert table.describe_machine(CPU).startswith("**Rehearsal on the CPU")
    assert "2 GPUs" in table.describe_machine(GPU)


def test_a_check_that_does_not_apply_is_neither_passed_nor_failed() -> None:
    rows = [
        CheckRow("a", CheckVerdict("-", "one GPU"), 0),
        CheckRow("b", CheckVerdict("ok", ""), 1),
        CheckRow("c", CheckVerdict("failed", ""), 1),
    ]
    assert table.line(rows[0], GPU) == "| a | - | does not apply: one GPU | |"
    assert table.count(rows) == "1 passed, 1 failed, 1 do not apply"
