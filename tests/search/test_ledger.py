"""The ledger on the disk: appended, damaged, cut off."""

from pathlib import Path

import pytest

from dlrun.errors import RunError
from dlrun.search.ledger import Ledger


def test_what_was_appended_is_read_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    assert ledger.entries == ()
    ledger.append("proposed", trial=1)
    ledger.append("ended", trial=1, how="completed")
    assert [entry["event"] for entry in Ledger(ledger.path).entries] == ["proposed", "ended"]


def test_the_half_line_of_a_kill_does_not_count_and_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    Ledger(path).append("proposed", trial=1)
    with path.open("ab") as file:
        file.write(b'{"event": "proposed", "tri')
    ledger = Ledger(path)
    assert len(ledger.entries) == 1
    ledger.append("ended", trial=1)
    assert [entry["event"] for entry in Ledger(path).entries] == ["proposed", "ended"]
    assert path.read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("line", [b"not json\n", b"[1]\n", b'{"trial": 1}\n'])
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "ledger.jsonl"
    Ledger(path).append("proposed", trial=1)
    with path.open("ab") as file:
        file.write(line)
    with pytest.raises(RunError, match=r"ledger\.jsonl:2 is damaged"):
        Ledger(path)
