"""`dlrun cache clear` as a person runs it, in this process."""

import json
from pathlib import Path

import pytest

from command_line import Dlrun
from dlrun.system.cache_entries import locked


def test_an_empty_cache_is_listed_and_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dlrun: Dlrun) -> None:
    monkeypatch.setenv("DLRUN_CACHE", str(tmp_path / "none"))
    code, out, err = dlrun("ls")
    assert (code, out) == (0, "")
    assert err.startswith(f"{tmp_path / 'none'}: 0 entries, 0 B of at most ")
    assert dlrun("clear") == (0, "", "nothing to remove\n")
    assert not (tmp_path / "none").exists()


def test_everything_is_removed_after_asking(folder: Path, dlrun: Dlrun) -> None:
    code, out, err = dlrun("clear")
    assert (code, out) == (2, "")
    assert f"remove 4 entries (2.0 MiB) from {folder}?" in " ".join(err.split())
    assert "--yes" in err
    assert (folder / "images" / "key").exists()
    code, out, err = dlrun("clear", "--yes")
    assert code == 0
    assert len(out.splitlines()) == 5
    assert err == "removed: 4 entries, 2.0 MiB\n"
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_a_kind_or_an_age_is_removed(folder: Path, dlrun: Dlrun) -> None:
    assert "would be removed: 1 entry" in dlrun("clear", "--older-than", "30d", "--dry-run")[2]
    assert (folder / "tables" / "key").exists()
    dlrun("clear", "--older-than", "30d", "--yes")
    assert not (folder / "tables" / "key").exists()
    code, out, _ = dlrun("clear", "images", "tfds", "--yes", "--json")
    found = json.loads(out)
    assert code == 0
    assert {entry["kind"] for entry in found["removed"]} == {"images", "tfds"}
    assert found["bytes"] == sum(entry["bytes"] for entry in found["removed"])
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["key.json"]


def test_an_entry_in_use_stays_and_is_named(folder: Path, dlrun: Dlrun) -> None:
    with locked(folder / "images" / "key", exclusive=False):
        code, out, err = dlrun("clear", "--yes", "--json")
    assert code == 0
    assert [entry["what"] for entry in json.loads(out)["in_use"]] == ["9 images from flowers"]
    assert "kept: 9 images from flowers (images) is in use by another process" in err
    assert (folder / "images" / "key" / "content" / "rows").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ls", "pictures"), "'pictures' is not one of images, audio, tables"),
        (("clear", "pictures", "--yes"), "'pictures' is not one of images, audio, tables"),
        (("clear", "--older-than", "soon"), "'soon' is not a number of seconds"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_message(
    folder: Path, dlrun: Dlrun, arguments: tuple[str, ...], words: str
) -> None:
    code, _, err = dlrun(*arguments)
    assert code == 2
    assert words in " ".join(err.replace("│", " ").split())
    assert (folder / "images" / "key").exists()
