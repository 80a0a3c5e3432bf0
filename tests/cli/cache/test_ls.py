"""`dlrun cache ls` as a person runs it, in this process."""

import json
from pathlib import Path

import pytest

from command_line import Dlrun


def test_the_entries_are_listed_with_their_size_last_use_and_the_limit(folder: Path, dlrun: Dlrun) -> None:
    code, out, err = dlrun("ls")
    assert code == 0
    heading, *lines = out.splitlines()
    assert heading.split() == ["kind", "size", "used", "what"]
    assert len(lines) == 4
    assert lines[-1].split(maxsplit=1)[0] == "tables"  # the least recently used
    assert "1.0 MiB" in lines[-1]
    assert "the table houses.csv" in lines[-1]
    assert "made by an earlier version" in out
    assert err.strip() == f"{folder}: 4 entries, 2.0 MiB of at most 1.0 GiB"


def test_the_listing_is_json_too(folder: Path, dlrun: Dlrun) -> None:
    code, out, _ = dlrun("ls", "images", "--json")
    found = json.loads(out)
    (entry,) = found["entries"]
    assert code == 0
    assert (found["folder"], found["limit_bytes"]) == (str(folder), 2**30)
    assert found["bytes"] > 2 * 2**20
    assert (entry["kind"], entry["what"], entry["path"]) == (
        "images", "9 images from flowers", str(folder / "images" / "key"),
    )  # fmt: skip
    assert 2**20 < entry["bytes"] < 2**20 + 1000
    assert entry["used"].endswith("+00:00")


def test_a_wrong_size_in_the_environment_is_one_message(
    folder: Path, dlrun: Dlrun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLRUN_CACHE_SIZE", "plenty")
    code, _, err = dlrun("ls")
    assert code == 2
    assert f"DLRUN_CACHE_SIZE is {'plenty'!r}" in err
    assert folder.exists()
