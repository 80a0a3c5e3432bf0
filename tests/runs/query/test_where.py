"""Conditions select runs, and invalid conditions have clear errors."""

from pathlib import Path

import pytest

from dlrun.errors import UsageError
from dlrun.runs.query.fields import RunFields
from dlrun.runs.query.listing import scan_runs
from dlrun.runs.query.selection import Selection
from dlrun.runs.query.where import parse_where


def chosen(runs_dir: Path, condition: str) -> str:
    runs = scan_runs(runs_dir)
    return "".join(sorted(run.name or run.id for run in Selection(condition).of(runs, RunFields(runs))))


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("val_accuracy>0.98 and model.type=cnn", "a"),
        ("val_accuracy>0.98 or status=failed", "ac"),
        ("not model=cnn", "cd"),
        ("not (model=cnn or status=failed)", "d"),
        ("model=cnn and not val_accuracy<0.98 or name=c", "ac"),
        ("name=c or model=cnn and val_accuracy<0.98", "bc"),
        ("NOT name=a AND NOT id=d", "bc"),
        ("not not name=a", "a"),
        ("name==a", "a"),
        ("name!=a", "bcd"),
        ("val_accuracy>=0.97", "ab"),
        ("val_accuracy<=.97", "b"),
        ("val_accuracy=9.7e-1", "b"),
        ("accuracy>0", "abc"),
        ("test_accuracy!=0.5", "abd"),
        ("tag=paper", "a"),
        ("tag=pap", ""),
        ("tag='two words'", "a"),
        ('tag="two words"', "a"),
        ("tag~WORD", "a"),
        ("tag!=paper", "bcd"),
        ("id~-b-", "b"),
        ("seconds>1m", "b"),
        ("seconds<=90", "bc"),
        ("seconds=1.5min", "b"),
        ("age<1d and status!=damaged", "a"),
        ("age>25h", "bc"),
        ("started>2020-01-01 and status!=damaged", "abc"),
        ("started<2020-01-01T10:00", ""),
        ("training.batch_size=64", "b"),
        ("training.batch_size>32", "bc"),
        ("training.shuffle=true", "abc"),
        ("training.shuffle=1", ""),
        ("training.jit=off", "abc"),
        ("optimizer.learning_rate=0.001", "abc"),
        ("optimizer.weight_decay=null", "abcd"),
        ("optimizer.weight_decay='null'", ""),
        ("model.units=1", "b"),
        ("model.units=[1,32]", "b"),
        ("model.units='[1, 32]'", "b"),
        ("model.blocks.1.filters=16 and dataset.name=digits", ""),
        ("model.blocks.1.filters=16", "abc"),
        ("name > 3", ""),
        ("best=null", "abcd"),
        ("(((name=a)))", "a"),
    ],
)
def test_a_condition_selects_runs(runs_dir: Path, condition: str, names: str) -> None:
    assert chosen(runs_dir, condition) == names


@pytest.mark.parametrize(
    ("condition", "what", "column", "told"),
    [
        (" ", "an empty condition", 2, "a comparison"),
        ("val_acuracy>0.9", "no run has a key 'val_acuracy'", 1, "did you mean 'val_accuracy'?"),
        ("name=a and batch_size=3", "no run has a key 'batch_size'", 12, "did you mean 'training.batch_size'?"),
        ("name", "the end after 'name'", 5, "one of = == != < <= > >= ~"),
        ("name a", "'a' after 'name'", 6, "one of ="),
        ("name=", "the end after '='", 6, "a number, a word"),
        ("name=(a)", "'(' after '='", 6, "a number, a word"),
        ("name='a", "\"'\" after '='", 6, "quoted text"),
        ("(name=a", "this parenthesis is not closed", 1, "before the end"),
        ("name=a)", "unexpected ')'", 7, "and, or, or the end"),
        ("name=a name=b", "unexpected 'name'", 8, "and, or"),
        ("name=a and", "the end where a key is expected", 11, "a comparison"),
        ("and name=a", "'and' where a key is expected", 1, "a comparison"),
        ("= 3", "'=' where a key is expected", 1, "a comparison"),
        ("name<b", "'b' after name<", 6, "for texts, use"),
        ("seconds>3y", "'3y' after seconds>", 9, "90s, 10m"),
        ("started>tuesday", "'tuesday' after started>", 9, "2026-11-21"),
        ("(" * 60 + "name=a", "nested deeper", 51, "fewer"),
        ("not " * 100_000, "400,000 characters", 0, "at most"),
        ("not " * 100 + "name=a", "nested deeper", 201, "fewer"),
        ("__import__('os').system('true')", "'(' after '__import__'", 11, "one of"),
    ],
)
def test_an_invalid_condition_is_shown_with_a_caret(
    runs_dir: Path, condition: str, what: str, column: int, told: str
) -> None:
    runs = scan_runs(runs_dir)
    with pytest.raises(UsageError) as raised:
        parse_where(condition, RunFields(runs))
    said = str(raised.value)
    assert what in said
    assert told in said
    if column:
        _, shown, caret, *_ = said.split("\n")
        assert shown == f"    {condition}"
        assert caret == " " * (3 + column) + "^"


def test_control_characters_in_a_condition_do_not_move_the_caret(runs_dir: Path) -> None:
    with pytest.raises(UsageError) as raised:
        parse_where("name=a\x1b\n\tx", RunFields(scan_runs(runs_dir)))
    assert "    name=a   x\n" in str(raised.value)
