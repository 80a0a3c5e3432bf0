"""Every CSV is written so that spreadsheets take no text for a formula."""

import ast
import csv
import io
from pathlib import Path

import numpy as np
import pytest

from dlrun.evaluation.record import Origin, record_evaluation
from dlrun.runs.folder import RunFolder
from dlrun.runs.provenance.trust import sign
from dlrun.scoring.breakdown import collector_of
from dlrun.signature import Target
from dlrun.system.spreadsheet import csv_text, is_formula
from dlrun.training.progress.events import silent

SOURCE = Path(__file__).parents[2] / "src" / "dlrun"
FORMULAS = ("=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "-", "\uff1dcmd", "-1 x", "+1+1")


def test_formulas_are_recognized_and_numbers_are_not_formulas() -> None:
    assert all(map(is_formula, FORMULAS))
    assert not any(is_formula(cell) for cell in ("", "cat", "-1", "+1.5", "-2e-3", "a=b", "row 0"))


def test_texts_get_an_apostrophe_and_numbers_do_not() -> None:
    rows = list(csv.reader(io.StringIO(csv_text([FORMULAS, (-1, -2.5, None, float("nan"), "-1", "a\rb")]))))
    assert rows[0] == [f"'{text}" for text in FORMULAS]
    assert rows[1] == ["-1", "-2.5", "", "", "-1", "a\\rb"]


def test_only_two_places_write_csv() -> None:
    # The other one is that of predictions, which writes block by block.
    allowed = {SOURCE / "system" / "spreadsheet.py", SOURCE / "prediction" / "formats.py"}
    for path in SOURCE.rglob("*.py"):
        found = [node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
        assert path in allowed or not {"DictWriter", "write_csv"} & set(found), path
        assert path in allowed or "csv.writer" not in path.read_text(), path


@pytest.mark.parametrize("most", [1000, 1])
def test_class_names_in_the_tables_of_an_evaluation_are_text(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    monkeypatch.setattr("dlrun.evaluation.record.MOST_COLUMNS", most)
    folder = RunFolder.create(tmp_path, name="x")
    sign(folder, "name: x\n")
    folder.write_text(folder.spec_yaml, "name: x\n")
    collector = collector_of(Target("classes", 2, ("=cmd|' /C calc'!A0", "-1")))
    collector.add(np.array([0, 1, 1]), np.eye(2, dtype=np.float32)[[0, 1, 0]])
    assert record_evaluation(
        folder, "test", {}, collector.breakdown(), origin=Origin("final", "step-1", "x"), listener=silent
    )
    tables = sorted(folder.evaluation.glob("*.csv"))
    assert len(tables) == 2
    for table in tables:
        cells = [cell for row in csv.reader(io.StringIO(table.read_text())) for cell in row]
        assert "'=cmd|' /C calc'!A0" in cells
        assert "-1" in cells
        assert not any(map(is_formula, cells))
