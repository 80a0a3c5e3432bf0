"""The page drawn in this process and in one of its own."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dlrun.errors import RunError
from dlrun.search.page.process import plain_outcome, read_plain_outcome, write_search_page
from dlrun.search.page.writing import draw_search_page
from search_outcomes import RATE, conditional, halved, outcome, searched, trial, with_objectives


@pytest.mark.parametrize("search", [searched(5), halved(20), with_objectives(5), conditional(3), outcome()])
def test_an_outcome_reaches_the_other_process_unchanged(search: object) -> None:
    assert read_plain_outcome(plain_outcome(search)) == search  # type: ignore[arg-type]


def test_a_process_of_its_own_writes_the_same_page_and_the_library_stays_out_of_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = replace(halved(9), space=[RATE])
    draw_search_page(search, path=tmp_path / "here.html")
    monkeypatch.delitem(sys.modules, "matplotlib.figure")
    write_search_page(search, path=tmp_path / "there.html")
    assert "matplotlib.figure" not in sys.modules
    page = (tmp_path / "here.html").read_text()
    assert (tmp_path / "there.html").read_text() == page
    assert 'alt="val_accuracy of 1 complete' in page
    assert 'alt="A line for each of 9 trials' in page


def test_a_page_that_cannot_be_written_is_an_error_that_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    with pytest.raises(RunError, match=r"cannot write .*page.html") as caught:
        write_search_page(outcome(), path=tmp_path / "missing" / "page.html")
    assert "dlrun search show digits" in caught.value.hint


def test_hostile_names_are_drawn(tmp_path: Path) -> None:
    bad = "$\\frac{1}$ <b>\x00\x1b\ud800\n%s"
    made = trial(1, point={bad: 0}, values=((bad, bad),), runs=(bad,))
    space = [{"name": bad, "options": [{"value": bad}, {"value": [bad]}]}]
    named = replace(outcome(made, space=space).objectives[0], name=bad)
    draw_search_page(outcome(made, name=bad, space=space, objectives=(named,)), path=tmp_path / "page.html")
    assert "<b>\x00" not in (tmp_path / "page.html").read_text()


@pytest.mark.soak
def test_every_search_has_a_page(tmp_path: Path) -> None:
    for number, search in enumerate([searched(300), halved(120), with_objectives(60), conditional(40), searched(1)]):
        draw_search_page(search, path=tmp_path / f"{number}.html")
        assert (tmp_path / f"{number}.html").stat().st_size < 1_500_000
