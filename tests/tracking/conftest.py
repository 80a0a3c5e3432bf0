"""A plugin with a tracker that logs to a file of lines, and specs that use it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dlrun import plugins
from dlrun.tracking import trackers

PLUGIN = '''
"""A tracker that writes lines of JSON."""

import json
import time

from pydantic import Field

from dlrun.tracking import Journal, Tracker, trackers


@trackers.register("lines")
class Lines(Tracker):
    """Lines of JSON in a file."""

    reach_keys = ("path",)

    path: str = Field(description="The file.")
    slow: float = Field(default=0, description="Seconds that every line takes.")
    fails: str = Field(default="", description="The kind of line that cannot be written.")

    def open(self, run, *, known_id):
        journal = LinesJournal(self, run, known_id)
        journal.log("open", {"id": journal.id, "known_id": known_id, "params": run.params, "tags": run.tags,
                             "parent": run.parent})
        return journal


class LinesJournal(Journal):
    place = "a file"
    notes = ("all is well",)

    def __init__(self, tracker, run, known_id):
        self.id, self.tracker = known_id or f"journal of {run.id}", tracker
        try:
            with open(tracker.path) as file:
                self.epochs = max((line["row"]["epoch"] for line in map(json.loads, file) if "row" in line), default=0)
        except FileNotFoundError:
            self.epochs = 0

    def log(self, kind, content):
        time.sleep(self.tracker.slow)
        if kind == self.tracker.fails:
            raise OSError(f"http://me:secret@host says no to {kind}\\nat length")
        with open(self.tracker.path, "a") as file:
            file.write(json.dumps({"kind": kind, **content}) + "\\n")

    def log_epoch(self, row):
        self.log("epoch", {"row": dict(row)})

    def log_scores(self, scores, *, epoch):
        self.log("scores", {"scores": dict(scores), "epoch": epoch})

    def log_end(self, ending, tags):
        self.log("end", {"ending": ending, "tags": dict(tags)})

    def log_file(self, path, *, name):
        self.log("file", {"name": name, "size": path.stat().st_size})
'''
CONFIG = """\
name: followed
plugins: [lines.py]
dataset: {type: builtin, name: digits, validation: 0.1}
model: {type: mlp, units: [16], dropout: 0.2}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 216, epochs: 3, tensorboard: false, report: false, jit: off, precision: float32}
"""


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """A spec without a tracker, beside a plugin that brings one."""
    (tmp_path / "lines.py").write_text(PLUGIN)
    file = tmp_path / "followed.yaml"
    file.write_text(CONFIG)
    yield file
    trackers._entries.pop("lines", None)
    plugins._loaded.clear()


@pytest.fixture
def lines(tmp_path: Path) -> Callable[[], list[dict[str, Any]]]:
    """What the plugin's tracker has written so far."""

    def read() -> list[dict[str, Any]]:
        file = tmp_path / "lines.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    return read
