"""Cache the content of one small file of every run, so that ten thousand of them are one file to read.

The folders always take precedence over the index. Each entry stores the stamp of the file that it was made from, and is
made again if the file's stamp has changed. An index that is damaged, of another version, or larger than dlrun would
write it counts as missing. It holds data only, and its users check the types.

    {"format": 2, "sha256": "<of everything after this line>"}
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
_WORTH_AN_INDEX = 100  # fewer runs are read just as fast without an index in their folder
_LARGEST_ENTRY_BYTES, _LARGEST_REST_BYTES = 1 << 13, 1 << 20
# A file written twice within one tick of the file system's clock may keep its stamp, so only older files are cached.
_SETTLED_NS = 2_000_000_000


class IndexEntry(NamedTuple):
    """The cached values of one run.

    Args:
        stamp: The stamp of the file that they come from.
        keys: The names of the values; entries with the same names share one tuple.
        values: JSON values.
    """

    stamp: str
    keys: tuple[str, ...]
    values: list[Any]


@dataclass(frozen=True)
class IndexSource:
    """What an index is made from.

    Args:
        member: The file of each run to read.
        index: The file name of the index in the runs folder.
        read: Returns the keys and values of a run, and whether they may be cached.
        is_sound: Returns whether a cached entry has values that `read` could have returned.
    """

    member: str
    index: str
    read: Callable[[str], tuple[tuple[str, ...], list[Any], bool]]
    is_sound: Callable[[IndexEntry], bool]


def refresh(
    runs_dir: Path, names: Iterable[str], source: IndexSource, *, from_index: bool = True
) -> dict[str, IndexEntry]:
    """Return an entry for each run: from the index if its file has not changed, else from the file.

    Args:
        runs_dir: The folder for runs.
        names: The names of the run folders.
        source: What to read from each run.
        from_index: Whether to use an index at all; commands that remove something do not.
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
    """Return the stamp of a file, and when it last changed. Read the file afterwards: then the stamp is never newer."""
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
            return {}  # another version, or damaged: a single wrong value would give a wrong answer
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
        with contextlib.suppress(ValueError):  # an integer with more digits than Python converts to text
            line = f"{json.dumps(name)}: {json.dumps([stamp, number, values], separators=(',', ':'))}"
            if len(line) <= _LARGEST_ENTRY_BYTES:
                lines.append(line)
    start = json.dumps({"layouts": list(layouts)}, separators=(",", ":"))
    rows = ",\n".join(lines)
    body = f'{start[:-1]},"runs":{{\n{rows}\n}}}}\n'.encode()
    data = _head(body) + b"\n" + body
    if len(data) <= largest:
        # If the folder is read-only or the disk is full, the next listing just reads the files again.
        with contextlib.suppress(OSError, RunError):
            disk.write_atomically(path, data)


def _head(body: bytes) -> bytes:
    return json.dumps({"format": _FORMAT, "sha256": sha256(body).hexdigest()}, separators=(",", ":")).encode()
