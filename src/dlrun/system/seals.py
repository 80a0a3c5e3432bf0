"""Seals: caches carry their own sha256, and are compared with it before they are used. `runs/sums.py` is about runs.

`sums.json` in a folder holds the size and the digest of every other file there. A file is hashed in blocks, by as many
threads as there are cores, and its digest is that of the digests of its blocks.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

from dlrun.system.disk import disk

SUMS = "sums.json"

_BLOCK_BYTES = 1 << 20
_BLOCKS_AT_ONCE = 256
_LARGEST_SUMS = 1 << 20
_MOST_THREADS = 16


def seal_folder(folder: Path) -> None:
    """Write the sizes and digests of a folder's files beside them, durably.

    Raises:
        OSError: A file cannot be read, or the sums cannot be written.
    """
    sums = {name: [disk.size(folder / name), file_digest(folder / name)] for name in disk.names(folder)}
    disk.write_file(folder / SUMS, json.dumps(sums).encode())


def find_damage(folder: Path) -> str:
    """Compare a folder with the sums that were written into it: names and sizes first, then the content.

    Returns:
        What is wrong; empty if every file is as it was written.
    """
    try:
        sums = json.loads(disk.read_file(folder / SUMS, largest=_LARGEST_SUMS))
        names = [name for name in disk.names(folder) if name != SUMS]
        if not isinstance(sums, dict) or sorted(sums) != names:
            return "its files are not those that were written"
        for wrong in (_wrong_sizes(folder, sums), _wrong_digests(folder, sums)):
            if (name := next(wrong, None)) is not None:
                return f"{name} is not what was written"
    except (OSError, ValueError, TypeError) as error:
        return f"it cannot be read: {error}"
    return ""


def read_digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file of a sealed folder, as it was written.

    The digests are not compared with the files: `find_damage` does that. There are none in a folder without a seal.
    """
    try:
        sums = json.loads(disk.read_file(folder / SUMS, largest=_LARGEST_SUMS))
    except FileNotFoundError:
        return {}
    return {name: digest for name, (_, digest) in sums.items()}


def file_digest(path: Path) -> str:
    """The digest of a file: sha256 over the sha256 of each of its blocks, in hexadecimal.

    Raises:
        OSError: It cannot be read.
    """
    size = disk.size(path)
    with disk.opened(path, os.O_RDONLY | os.O_NOFOLLOW) as handle:

        def block_digest(start: int) -> bytes:
            return sha256(os.pread(handle, _BLOCK_BYTES, start)).digest()

        starts, whole = range(0, size, _BLOCK_BYTES), sha256()
        if len(starts) <= 1:
            return sha256(b"".join(map(block_digest, starts))).hexdigest()
        # hashlib and pread leave other threads run: 2 cores hash twice as fast as one.
        with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
            for first in range(0, len(starts), _BLOCKS_AT_ONCE):  # not all at once: memory does not grow with the file
                whole.update(b"".join(pool.map(block_digest, starts[first : first + _BLOCKS_AT_ONCE])))
        return whole.hexdigest()


def seal(value: Any) -> bytes:
    """A value as JSON with its digest."""
    text = json.dumps(value, sort_keys=True)
    return json.dumps({"value": value, "sha256": sha256(text.encode()).hexdigest()}).encode()


def unseal(data: bytes) -> Any:
    """The value that `seal` was given.

    Raises:
        ValueError: It is not what was written.
    """
    sealed = json.loads(data)
    if not isinstance(sealed, dict) or sealed.keys() != {"value", "sha256"}:
        raise ValueError("it has no digest")
    if sha256(json.dumps(sealed["value"], sort_keys=True).encode()).hexdigest() != sealed["sha256"]:
        raise ValueError("it is not what was written")
    return sealed["value"]


def _wrong_sizes(folder: Path, sums: dict[str, Any]) -> Iterator[str]:
    return (name for name, (size, _) in sums.items() if disk.size(folder / name) != size)


def _wrong_digests(folder: Path, sums: dict[str, Any]) -> Iterator[str]:
    return (name for name, (_, digest) in sums.items() if file_digest(folder / name) != digest)
