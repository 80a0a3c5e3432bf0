"""Page and plots are written into the run folder, and nowhere else."""

import json
from pathlib import Path

import numpy as np
import pytest

from dlrun.errors import RunError
from dlrun.report.writing import write_report
from dlrun.runs.predictions import write_predictions
from run_folders import CLASSES, VALUES, made, predictions


@pytest.mark.parametrize("name", ["x/../../../out", "../out", "/tmp/out", "a/b", "x" * 300, "a\0b", "..", "\ud800"])
def test_a_metric_of_any_name_is_drawn_into_the_folder_of_plots(name: str, tmp_path: Path) -> None:
    folder = made(tmp_path / "runs", CLASSES, None)
    rows = [{"epoch": epoch, name: epoch, f"{name}_": epoch} for epoch in (1, 2)]
    folder.metrics_jsonl.write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_report(folder)
    assert len([path for path in folder.plots.iterdir() if path.name.startswith("curve_")]) == 2
    assert list(tmp_path.iterdir()) == [tmp_path / "runs"]


@pytest.mark.parametrize("value", [1e308, 3e38, float("inf")])
def test_values_too_large_to_draw_are_replaced_by_a_message(value: float, tmp_path: Path) -> None:
    kept = predictions(outputs=np.full((40, 1), value), target=np.full(40, -value), naive=np.full((40, 1), value))
    write_report(made(tmp_path, VALUES, kept))


@pytest.mark.parametrize("part", ["plots", "evaluation"])
def test_a_folder_that_is_a_link_is_not_written_through(part: str, tmp_path: Path) -> None:
    folder, elsewhere = made(tmp_path / "runs", CLASSES, None), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder.path / part).symlink_to(elsewhere)
    with pytest.raises(RunError, match=f"{part}: it is a symbolic link"):
        write_report(folder) if part == "plots" else write_predictions(folder, "test", predictions())
    assert not list(elsewhere.iterdir())


def test_a_page_that_is_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    folder = made(tmp_path / "runs", CLASSES, None)
    (tmp_path / "mine").write_text("of the user")
    folder.report_html.symlink_to(tmp_path / "mine")
    write_report(folder)
    assert not folder.report_html.is_symlink()
    assert (tmp_path / "mine").read_text() == "of the user"
