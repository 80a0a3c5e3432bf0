"""A cache of one small file of every run, kept beside the runs: ten thousand of them are one file to read.

The index is never trusted over the folders. Each entry carries the stamp of the file that it was made from, and an
entry whose file has another one is made again. What is damaged, of another version, or larger than an honest index
would be counts as missing. It holds data only, and whoever uses it checks the types.

    {"format": 2, "sha256": "<of all that follows this line>"}
    {"layouts": [["name", "status", ...]], "runs": {"<id>": ["<stamp>", <layout>, [<value>, ...]]}}
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from dlrun.errors import RunError
from dlrun.system.disk import disk

_FORMAT = 2
_WORTH_AN_INDEX = 100  # fewer runs are read as fast, and their folder stays as it is
_LARGEST_ENTRY_BYTES, _LARGEST_REST_BYTES = 1 << 13, 1 << 20
# A file that is written twice within one tick of the file system's clock may keep its stamp: only older ones are kept.
_SETTLED_NS = 2_000_000_000


class IndexEntry(NamedTuple):
    """What is known of one run.

    Args:
        stamp: Of the file that it was made from.
        keys: The names of the values; entries of one layout share the tuple.
        values: Of JSON's kinds.
    """

    stamp: str
    keys: tuple[str, ...]
    values: list[Any]


@dataclass(frozen=True)
class IndexSource:
    """What an index is made of.

    Args:
        member: The file of each run that is read.
        index: The index' own name in the runs folder.
        read: Gives the keys and values of a run; None as keys if they are not to be kept.
        is_sound: Whether a kept entry has values that `read` could have given.
    """

    member: str
    index: str
    read: Callable[[str], tuple[tuple[str, ...], list[Any], bool]]
    is_sound: Callable[[IndexEntry], bool]


def refreshed(
    runs_dir: Path, names: Iterable[str], source: IndexSource, *, from_index: bool = True
) -> dict[str, IndexEntry]:
    """An entry for each of `names`, from the index where their files have not changed, and else from the files.

    Args:
        runs_dir: The folder of the runs.
        names: Folders in it.
        source: What is read of each.
        from_index: Whether to believe an index at all; whoever destroys something does not.
    """
    names = list(names)
    path = runs_dir / source.index
    known = _read(path, largest=_largest(len(names))) if from_index and len(names) >= _WORTH_AN_INDEX else {}
    found: dict[str, IndexEntry] = {}
    kept: dict[str, IndexEntry] = {}
    changed = False
    settled = time.time_ns() - _SETTLED_NS
    for name in names:
        stamp, modified = _stamp(f"{runs_dir}/{name}/{source.member}")
        entry = known.get(name)
        if entry is not None and entry.stamp == stamp and source.is_sound(entry):
            found[name] = kept[name] = entry
            continue
        keys, values, is_lasting = source.read(name)
        found[name] = entry = IndexEntry(stamp, keys, values)
        if is_lasting and modified < settled:
            kept[name] = entry
            changed = True
    if len(names) >= _WORTH_AN_INDEX and (changed or len(kept) < len(known)):
        _write(path, kept, largest=_largest(len(names)))
    return found


def _largest(runs: int) -> int:
    return runs * _LARGEST_ENTRY_BYTES + _LARGEST_REST_BYTES


def _stamp(path: str) -> tuple[str, int]:
    """What changes with the file, and when it did last; the file is read after this, so that it is never newer."""
    try:
        found = os.lstat(path)
    except OSError:
        return "", 0
    stamp = f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}"
    return stamp, max(found.st_mtime_ns, found.st_ctime_ns)


def _read(path: Path, *, largest: int) -> dict[str, IndexEntry]:
    try:
        head, _, body = disk.read_file(path, largest=largest).partition(b"\n")
        if head != _head(body):
            return {}  # of another version, or damaged: one wrong value would be a wrong answer
        content = json.loads(body)
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    layouts, runs = content.get("layouts"), content.get("runs")
    if not isinstance(layouts, list) or not isinstance(runs, dict):
        return {}
    if not all(isinstance(layout, list) and all(isinstance(key, str) for key in layout) for layout in layouts):
        return {}
    keys = [tuple(layout) for layout in layouts]
    try:
        return {
            name: IndexEntry(stamp, keys[number], values)
            for name, (stamp, number, values) in runs.items()
            if type(values) is list and len(values) == len(keys[number])
        }
    except (TypeError, ValueError, IndexError):
        return {}


def _write(path: Path, entries: Mapping[str, IndexEntry], *, largest: int) -> None:
    layouts: dict[tuple[str, ...], int] = {}
    lines = []
    for name, (stamp, keys, values) in entries.items():
        number = layouts.setdefault(keys, len(layouts))
        with contextlib.suppress(ValueError):  # a whole number of so many digits that Python does not write it
            line = f"{json.dumps(name)}: {json.dumps([stamp, number, values], separators=(',', ':'))}"
            if len(line) <= _LARGEST_ENTRY_BYTES:
                lines.append(line)
    start = json.dumps({"layouts": list(layouts)}, separators=(",", ":"))
    rows = ",\n".join(lines)
    body = f'{start[:-1]},"runs":{{\n{rows}\n}}}}\n'.encode()
    data = _head(body) + b"\n" + body
    if len(data) <= largest:
        # The folder may be read-only, or the disk full: the next listing then reads the files again.
        with contextlib.suppress(OSError, RunError):
            disk.write_atomically(path, data)


def _head(body: bytes) -> bytes:
    return json.dumps({"format": _FORMAT, "sha256": sha256(body).hexdigest()}, separators=(",", ":")).encode()
