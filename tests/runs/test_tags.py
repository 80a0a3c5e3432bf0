"""Tags of a run."""

from collections.abc import Callable

import pytest

from dlrun.errors import RunError, UsageError
from dlrun.runs.folder import RunFolder
from dlrun.runs.tags import change_tags

MakeRun = Callable[..., RunFolder]


def test_tags_are_added_and_removed(make_run: MakeRun) -> None:
    run = make_run()
    assert change_tags(run, ["paper", "b"]) == ("paper", "b")
    assert change_tags(run, ["b", "=cmd"]) == ("paper", "b", "=cmd")
    assert change_tags(run, ["b", "none"], is_removal=True) == ("paper", "=cmd")
    assert run.read_record().tags == ("paper", "=cmd")
    assert run.read_record().status == "completed"


@pytest.mark.parametrize("tag", ["", " ", "a,b", "x" * 61, "a\x1b[31m", "a\nb", " a", "\u202ea"])
def test_an_invalid_tag_is_refused(make_run: MakeRun, tag: str) -> None:
    run = make_run()
    with pytest.raises(UsageError, match="is not a valid tag"):
        change_tags(run, ["good", tag])
    assert run.read_record().tags == ()


def test_too_many_tags_and_a_run_that_is_held_are_refused(make_run: MakeRun) -> None:
    run = make_run()
    with pytest.raises(UsageError, match="51 tags"):
        change_tags(run, [str(number) for number in range(51)])
    with run.lock(), pytest.raises(RunError, match="held by process"):
        change_tags(run, ["a"])
