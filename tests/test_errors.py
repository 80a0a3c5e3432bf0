"""Errors say what happened, what was expected and what to try, in this order."""

import pytest

from dlrun.errors import (
    MOST_SHOWN,
    CheckpointError,
    DataError,
    DlrunError,
    Interrupted,
    Problem,
    RunError,
    SpecError,
    UsageError,
    encodable,
)


def test_an_error_has_a_line_for_each_part_that_it_has() -> None:
    assert str(RunError("no room", expected="1 GiB", hint="free some")) == "no room\nexpected: 1 GiB\nhint: free some"
    assert str(RunError("no room")) == "no room"


@pytest.mark.parametrize(
    ("error", "code"),
    [(SpecError([]), 2), (UsageError("x"), 2), (DataError("x"), 3), (CheckpointError("x"), 1), (Interrupted("x"), 130)],
)
def test_each_kind_of_error_has_its_documented_exit_code(error: DlrunError, code: int) -> None:
    assert error.exit_code == code


def test_a_problem_points_at_its_column() -> None:
    problem = Problem("unknown key", "a known one", "units", origin="a.yaml", line=3, column=5, text="    unit: 3")
    assert str(problem).splitlines() == [
        "a.yaml:3:5: unknown key",
        "        unit: 3",
        "        ^",
        "  expected: a known one",
        "  hint: units",
    ]


def test_of_a_very_long_line_the_part_around_the_mistake_is_shown() -> None:
    text = "a" * 400 + "X" + "b" * 400
    _, line, mark = str(Problem("bad", origin="a.yaml", line=1, column=401, text=text)).splitlines()
    assert line[mark.index("^")] == "X"
    assert len(line) < 180


def test_problems_are_sorted_by_line_and_those_of_the_command_line_come_last() -> None:
    problems = [
        Problem("c", origin="--set", line=1),
        Problem("b", origin="a", line=9),
        Problem("a", origin="a", line=2),
    ]
    assert [problem.what for problem in SpecError(problems).problems] == ["a", "b", "c"]


def test_a_message_shows_a_limited_number_of_problems_and_keeps_them_all() -> None:
    error = SpecError([Problem(f"p{number}") for number in range(MOST_SHOWN + 7)])
    assert len(str(error).splitlines()) == MOST_SHOWN
    assert len(error.problems) == MOST_SHOWN + 7


def test_file_names_that_are_not_utf_8_can_be_encoded() -> None:
    assert encodable("caf\udce9").encode() == b"caf\\udce9"
    assert encodable("café") == "café"
