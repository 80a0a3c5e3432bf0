"""One page compares several runs."""

from pathlib import Path

import pytest

from dlrun.errors import UsageError
from dlrun.report.comparison import write_comparison
from dlrun.runs.folder import RunFolder
from run_folders import CLASSES, NAUGHTY, made


def test_one_page_compares_several_runs(tmp_path: Path) -> None:
    folders = [made(tmp_path, CLASSES, None), made(tmp_path, CLASSES, None)]
    folders[1].write_text(folders[1].spec_yaml, "name: other\nseed: 7\n")
    write_comparison(folders, tmp_path / "both" / "page.html")
    page = (tmp_path / "both" / "page.html").read_text()
    assert all(folder.id in page for folder in folders)
    assert "<script" not in page.lower()
    assert '<th class="number">seed</th>' in page
    with pytest.raises(UsageError, match="each once"):
        write_comparison([folders[0], folders[0]], tmp_path / "page.html")


def test_a_comparison_marks_the_best_validation_score_of_comparable_runs(tmp_path: Path) -> None:
    folders = [made(tmp_path, CLASSES, None) for _ in range(2)]
    for folder, score in zip(folders, (0.25, 0.75), strict=True):
        result = {"validation": {"error": score, "auc": None}, "test": {"error": 1 - score, "auc": score}}
        folder.update_record(result=result, directions={"loss": "min", "error": "min", "auc": "max"})
    page = compared(folders, tmp_path)
    assert page.count("<b>") == 1
    assert "<b>0.25</b>" in page
    assert ">-</td>" in page
    folders[0].update_record(dataset={"name": "x", "fingerprint": "a" * 64, "examples": {}})
    assert "<b>0.25</b>" not in compared(folders, tmp_path)


def test_a_comparison_has_ids_that_do_not_wrap_and_becomes_cards_on_a_phone(tmp_path: Path) -> None:
    folders = [made(tmp_path, CLASSES, None) for _ in range(2)]
    folders[1].write_text(folders[1].spec_yaml, "model:\n" + "".join(f"  a_key_{n}: {NAUGHTY}\n" for n in range(9)))
    page = compared(folders, tmp_path)
    assert page.count(f'<span class="id" title="{folders[0].id}">') == page.count(folders[0].id) / 2
    assert page.count('<table class="cards">') == page.count("<table")
    assert page.count('<div class="card">') == 2
    assert "model.<wbr>a_<wbr>key_<wbr>8" in page
    assert "<script" not in page


def compared(folders: list[RunFolder], tmp_path: Path) -> str:
    write_comparison(folders, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    return page[page.index("<body>") : page.index("Learning")]
