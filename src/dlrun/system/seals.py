"""Store checksums in cache entries, and verify them before an entry is used; `runs/sums.py` does this for runs.

`sums.json` in a folder holds the size and the digest of every other file there. A file is hashed in blocks, in as many
threads as there are cores; its digest is the digest of its blocks' digests.
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
    """Write the sizes and digests of a folder's files to a file next to them, durably.

    Args:
        folder: The folder.

    Raises:
        OSError: A file cannot be read, or the sums cannot be written.
    """
    sums = {name: [disk.size(folder / name), file_digest(folder / name)] for name in disk.names(folder)}
    disk.write_file(folder / SUMS, json.dumps(sums).encode())


def find_damage(folder: Path) -> str:
    """Compare a folder with its checksums: names and sizes first, then the content.

    Args:
        folder: The folder.

    Returns:
        What is wrong; empty if every file is unchanged.
    """
    try:
        sums = json.loads(disk.read_file(folder / SUMS, largest=_LARGEST_SUMS))
        names = [name for name in disk.names(folder) if name != SUMS]
        if not isinstance(sums, dict) or sorted(sums) != names:
            return "files are missing or were added"
        for wrong in (_wrong_sizes(folder, sums), _wrong_digests(folder, sums)):
            if (name := next(wrong, None)) is not None:
                return f"{name} was changed after it was written"
    except (OSError, ValueError, TypeError) as error:
        return f"it cannot be read: {error}"
    return ""


def read_digests(folder: Path) -> dict[str, str]:
    """Return the stored digest of each file in a sealed folder; none for a folder without a seal.

    The digests are not compared with the files: `find_damage` does that.

    Args:
        folder: The folder.
    """
    try:
        sums = json.loads(disk.read_file(folder / SUMS, largest=_LARGEST_SUMS))
    except FileNotFoundError:
        return {}
    return {name: digest for name, (_, digest) in sums.items()}


def file_digest(path: Path) -> str:
    """Return the digest of a file: the sha256 of the sha256 digests of its blocks, in hexadecimal.

    Args:
        path: The path of the file.

    Raises:
        OSError: The file cannot be read.
    """
    size = disk.size(path)
    with disk.opened(path, os.O_RDONLY | os.O_NOFOLLOW) as handle:

        def block_digest(start: int) -> bytes:
            return sha256(os.pread(handle, _BLOCK_BYTES, start)).digest()

        starts, whole = range(0, size, _BLOCK_BYTES), sha256()
        if len(starts) <= 1:
            return sha256(b"".join(map(block_digest, starts))).hexdigest()
        # hashlib and pread release the GIL, so two cores hash twice as fast as one.
        with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
            for first in range(0, len(starts), _BLOCKS_AT_ONCE):  # in groups, to limit memory
                whole.update(b"".join(pool.map(block_digest, starts[first : first + _BLOCKS_AT_ONCE])))
        return whole.hexdigest()


def seal(value: Any) -> bytes:
    """Return a value as JSON with its digest."""
    text = json.dumps(value, sort_keys=True)
    return json.dumps({"value": value, "sha256": sha256(text.encode()).hexdigest()}).encode()


def unseal(data: bytes) -> Any:
    """Return the value in the output of `seal`.

    Args:
        data: The output of `seal`.

    Raises:
        ValueError: The data was changed.
    """
    sealed = json.loads(data)
    if not isinstance(sealed, dict) or sealed.keys() != {"value", "sha256"}:
        raise ValueError("it has no digest")
    if sha256(json.dumps(sealed["value"], sort_keys=True).encode()).hexdigest() != sealed["sha256"]:
        raise ValueError("it was changed after it was written")
    return sealed["value"]


def _wrong_sizes(folder: Path, sums: dict[str, Any]) -> Iterator[str]:
    return (name for name, (size, _) in sums.items() if disk.size(folder / name) != size)


def _wrong_digests(folder: Path, sums: dict[str, Any]) -> Iterator[str]:
    return (name for name, (_, digest) in sums.items() if file_digest(folder / name) != digest)
