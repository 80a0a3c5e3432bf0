"""`dlrun cache ls` and `dlrun cache clear` as a person runs them, in this process."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dlrun.cli.app import app
from dlrun.system.cache import Cache
from dlrun.system.cache_entries import locked

Printed = tuple[int, str, str]
Dlrun = Callable[..., Printed]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with an image, a table that was used 40 days ago, a value, and an entry of an earlier version."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("DLRUN_CACHE", str(folder))
    monkeypatch.setenv("DLRUN_CACHE_SIZE", "1GiB")

    def write(place: Path) -> None:
        (place / "rows").write_bytes(bytes(2**20))

    for kind, what in (("images", "9 images from flowers"), ("tables", "the table houses.csv")):
        Cache(kind).get_or_make("key", write, lambda _: None, what=what)
    Cache("jit").put_value("key", 1, what="mlp of x")
    (folder / "tfds" / "mnist-3.0.1-0a").mkdir(parents=True)
    (folder / "tfds" / "mnist-3.0.1-0a" / "train.npy").write_bytes(bytes(1000))
    os.utime(folder / "tables" / "key", (time.time() - 40 * 86400,) * 2)
    return folder


@pytest.fixture
def dlrun(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dlrun:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)

    def call(*arguments: object) -> Printed:
        with pytest.raises(SystemExit) as ended:
            app(["cache", *map(str, arguments)])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


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
    assert "left: 9 images from flowers (images) is in use by another process" in err
    assert (folder / "images" / "key" / "content" / "rows").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ls", "pictures"), "'pictures' is not one of images, tables"),
        (("clear", "pictures", "--yes"), "'pictures' is not one of images, tables"),
        (("clear", "--older-than", "soon"), "'soon' is not a number of seconds"),
    ],
)
def test_a_mistake_of_the_command_line_is_one_message(
    folder: Path, dlrun: Dlrun, arguments: tuple[str, ...], words: str
) -> None:
    code, _, err = dlrun(*arguments)
    assert code == 2
    assert words in " ".join(err.replace("│", " ").split())
    assert (folder / "images" / "key").exists()


def test_a_wrong_size_in_the_environment_is_one_message(
    folder: Path, dlrun: Dlrun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLRUN_CACHE_SIZE", "plenty")
    code, _, err = dlrun("ls")
    assert code == 2
    assert f"DLRUN_CACHE_SIZE is {'plenty'!r}" in err
    assert folder.exists()
