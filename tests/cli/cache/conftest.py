"""A cache written by hand, and `dlrun cache ...` in this process."""

import os
import time
from pathlib import Path

import pytest

from command_line import Dlrun, in_this_process
from dlrun.system.cache import Cache


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
    return in_this_process("cache", capsys)
