"""Searches by name."""

import json
from pathlib import Path

import pytest

from dlrun.errors import RunError, UsageError
from dlrun.search.folder import SearchFolder, find_search, list_searches, search_folder


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    for name in ("adult", "adult_wide", "wine"):
        folder = tmp_path / "searches" / name
        folder.mkdir(parents=True)
        (folder / "ledger.jsonl").write_text(json.dumps({"event": "closed", "why": "done"}) + "\n")
    return tmp_path


def test_a_search_is_found_by_its_name_a_part_of_it_or_as_the_last(runs_dir: Path) -> None:
    assert find_search("adult", runs_dir=runs_dir).name == "adult"
    assert find_search("wide", runs_dir=runs_dir).name == "adult_wide"
    assert find_search(str(runs_dir / "searches/wine")).name == "wine"
    assert find_search("last", runs_dir=runs_dir) == list_searches(runs_dir)[-1]


@pytest.mark.parametrize(("name", "words"), [("adul", "matches 2 searches"), ("wien", "did you mean 'wine'")])
def test_an_unclear_name_is_answered_with_those_that_exist(runs_dir: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError) as error:
        find_search(name, runs_dir=runs_dir)
    assert words in str(error.value)


def test_names_that_cannot_be_folders_are_refused(tmp_path: Path) -> None:
    for name in ("", "../x", "a b"):
        with pytest.raises(UsageError, match="not valid for a search"):
            search_folder(name, runs_dir=tmp_path)
    with pytest.raises(UsageError, match="there are no searches"):
        find_search("last", runs_dir=tmp_path)


def test_a_search_is_held_by_one_process_and_a_ledger_without_a_beginning_is_damaged(runs_dir: Path) -> None:
    folder = search_folder("wine", runs_dir=runs_dir)
    assert folder.held_by() is None
    with folder.held():
        assert folder.held_by() is not None
        with pytest.raises(RunError, match="the search wine is held by process"), SearchFolder(folder.path).held():
            pass
    with pytest.raises(RunError, match="has no beginning"):
        folder.read()
