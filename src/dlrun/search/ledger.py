"""The ledger of a search: one JSON object per line, appended and on the disk before anything follows from it.

Everything that a search knows is in this file: what was proposed, what came of it, and which runs it trained. After a
kill the next command reads it and goes on, so no trial is lost and none is counted twice. An incomplete last line, left
by a kill, does not count and is overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dlrun.errors import RunError
from dlrun.system.disk import disk, explained

Entry = Mapping[str, Any]
"""One line: `event` names its kind, the other keys depend on it; see `trials.py`."""

_LARGEST_BYTES = 1 << 28


class Ledger:
    """The entries of one search.

    Args:
        path: The path of the file, which need not exist.

    Raises:
        RunError: The file cannot be read, or a line before the last is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._length = 0
        self.entries: tuple[Entry, ...] = tuple(self._read())
        """What the file had when it was opened."""

    def append(self, event: str, **content: Any) -> Entry:
        """Append an entry and wait until it is on the disk.

        Args:
            event: The kind of the entry.
            **content: Its other keys, as plain JSON values.

        Returns:
            The entry.

        Raises:
            RunError: It cannot be written; the file still has all earlier entries.
        """
        entry = {"event": event, **content}
        data = json.dumps(entry, allow_nan=False).encode() + b"\n"
        with explained(f"write {self.path}"):
            disk.append(self.path, data, at=self._length)
        self._length += len(data)
        return entry

    def _read(self) -> Iterator[Entry]:
        if not disk.exists(self.path):
            return
        with explained(f"read {self.path}"):
            data = disk.read_file(self.path, largest=_LARGEST_BYTES)
        *lines, _incomplete = data.split(b"\n")
        for number, line in enumerate(lines, start=1):
            try:
                entry = json.loads(line)
            except ValueError:
                entry = None
            if not isinstance(entry, dict) or not isinstance(entry.get("event"), str):
                raise RunError(
                    f"{self.path}:{number} is damaged",
                    expected="one JSON object per line, as dlrun writes them",
                    hint="start a new search with --name; its trials find the runs that are complete",
                )
            yield entry
            self._length += len(line) + 1
