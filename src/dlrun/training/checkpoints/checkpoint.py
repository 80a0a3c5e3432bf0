"""Write and read checkpoints: folders that exist completely or not at all, verified by their checksums.

    step-000004690/
      arrays.safetensors    every variable of the model, the optimizer and the metrics
      state.json            everything else: epoch, step, best, patience, ...
      manifest.json         the format, and the size and sha256 of the two other files

`system/staging.py` makes the folder appear in one step, and explains how that survives a kill at any instruction.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from dlrun.errors import CheckpointError, RunError
from dlrun.runs.arrays import (
    Array,
    ArraySpec,
    array_bytes,
    array_spec,
    check_specs,
    decode_arrays,
    decode_header,
    encode_header,
    header_length,
)
from dlrun.system.disk import disk, explained
from dlrun.system.staging import drop_folder, identity, recover, settled, settled_names, staged_folder, staged_folders

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"

BEST: Final = "best"
_FORMAT = 1
_ARRAYS, _STATE, _MANIFEST = "arrays.safetensors", "state.json", "manifest.json"
_MEMBERS = (_ARRAYS, _STATE, _MANIFEST)
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_MANIFEST_LIMIT = 1 << 16
_LARGEST_STATE_BYTES = 1 << 22
# An upper bound for the file of a model, to refuse a wrong file before it is read: per value of the model, room for the
# value and for as many slots as any optimizer keeps. The rest is for the metrics.
_LARGEST_VALUE_BYTES, _LARGEST_REST_BYTES = 64, 1 << 26
# Only a reader whose checkpoint was replaced while it read tries again. A few attempts are enough for one replacement.
_READ_ATTEMPTS, _READ_PAUSE_SECONDS = 50, 0.002


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint.

    Args:
        arrays: The arrays by name, ordered by name.
        state: The state as it was written, except that tuples have become lists.
    """

    arrays: Mapping[str, Array]
    state: Mapping[str, Any]


class Found(NamedTuple):
    """The newest valid checkpoint, and the newer ones that are damaged, each with the reason."""

    path: Path
    checkpoint: Checkpoint
    skipped: tuple[tuple[Path, str], ...]


def step_name(step: int) -> str:
    """Return the name of the checkpoint after `step` training steps, such as `step-000004690`."""
    return f"step-{step:09d}"


def write_checkpoint(
    parent: Path,
    name: str,
    *,
    arrays: Mapping[str, Array],
    state: Mapping[str, JSON],
    specs: Mapping[str, ArraySpec] | None = None,
    is_best: bool = False,
) -> Path:
    """Write a checkpoint, replacing one of the same name.

    Args:
        parent: The folder of the checkpoints; it is created if missing.
        name: The name, from `step_name(step)`.
        arrays: The arrays by name, in any dtype that Keras uses for variables; names may contain slashes. Each array is
            read, written and hashed before the next one, so a lazy mapping needs memory for only one of them.
        state: JSON values; NaN and infinities are preserved.
        specs: The shape and dtype of each array; None to take them from `arrays`.
        is_best: Whether to make `best` the same checkpoint. If the process is killed in between, `name` exists and
            `best` is still the old one. Both share one wait for the disk, which halves the time of calling `set_best`
            afterwards.

    Returns:
        The folder of the checkpoint.

    Raises:
        RunError: The checkpoint cannot be written; every earlier one is unchanged.
    """
    specs = specs or {each: array_spec(array) for each, array in arrays.items()}
    header, order = encode_header(specs)
    target, others = parent / name, (parent / BEST,) if is_best else ()
    with explained(f"write the checkpoint {target}"), staged_folders(target, *others) as folders, ExitStack() as stack:
        staged, *doubles = folders
        handles = [stack.enter_context(disk.opened(staged / member, _NEW_FILE)) for member in _MEMBERS]
        pieces = itertools.chain((memoryview(header),), (array_bytes(arrays[each]) for each in order))
        files = {_ARRAYS: _write(handles[0], pieces), _STATE: _write(handles[1], (json.dumps(state).encode(),))}
        disk.write_every(handles[2], json.dumps({"format": _FORMAT, "files": files}, sort_keys=True).encode())
        for double in doubles:
            _link_members(staged, double)
        # Sync after everything is written, not file by file: the first fsync makes the file system's journal write the
        # other files' data too, so the rest return almost at once.
        for handle in handles:
            disk.wait(handle)
    return target


def _write(handle: int, pieces: Iterable[bytes | memoryview]) -> dict[str, int | str]:
    """Write a file in pieces, and return its size and sha256."""
    size, digest = 0, hashlib.sha256()
    for piece in pieces:
        disk.write_every(handle, piece)
        digest.update(piece)
        size += len(piece)
    return {"size": size, "sha256": digest.hexdigest()}


def set_best(parent: Path, name: str, *, is_verified: bool = False) -> Path:
    """Make `best` the same checkpoint as `name`, by hard links where the file system has them, else by copies.

    Args:
        parent: The folder of the checkpoints.
        name: The name of a step checkpoint.
        is_verified: Whether this process has just written or read it, so that it need not be verified again.

    Returns:
        The folder of `best`.

    Raises:
        CheckpointError: `name` is damaged; `best` is unchanged.
        RunError: `best` cannot be written; it is the old or the new one, but never a mixture.
    """
    source, target = parent / name, parent / BEST
    if not is_verified:
        read_checkpoint(source)
    with explained(f"write the checkpoint {target}"), staged_folder(target) as staged:
        _link_members(source, staged)
    return target


def _link_members(source: Path, target: Path) -> None:
    # A hard link costs neither space nor time, and `prune` may remove the step checkpoint while `best` keeps the files.
    for member in _MEMBERS:
        disk.link_or_copy(source / member, target / member)


def prune(
    parent: Path, *, keep: int = 2, newest: str = "step-999999999", is_verified: bool = False
) -> tuple[Path, ...]:
    """Remove all step checkpoints but the newest `keep`, after verifying the newest; `best` is never removed.

    Args:
        parent: The folder of the checkpoints.
        keep: The number of checkpoints to keep.
        newest: The name of the newest valid checkpoint. Later ones are damaged, or training would have used them.
        is_verified: Whether this process has just written that one, so that it need not be verified again.

    Returns:
        The removed folders.

    Raises:
        CheckpointError: The newest checkpoint is damaged; nothing is removed.
        RunError: The checkpoints cannot be removed.
    """
    if keep < 1:
        raise ValueError(f"keep is {keep}; at least one checkpoint has to stay")
    with explained(f"remove old checkpoints in {parent}"):
        recover(parent)
        paths = [path for path in _step_paths(parent) if path.name <= newest]
        removed = tuple(paths[keep:])
        if removed and not is_verified:
            read_checkpoint(paths[0])
        for path in removed:
            drop_folder(path)
    return removed


def read_checkpoint(path: Path, *, expected: Mapping[str, ArraySpec] | None = None) -> Checkpoint:
    """Read a checkpoint and verify it completely.

    Args:
        path: The folder of the checkpoint.
        expected: The arrays of the model that will take it. They are compared with the file's header before any memory
            for the arrays is allocated.

    Returns:
        The content of the checkpoint.

    Raises:
        CheckpointError: The checkpoint is missing, unreadable or damaged. The error names the file, what was found and
            what was expected.
        RunError: The checkpoint is valid, but its arrays are not the `expected` ones.
    """
    for _ in range(_READ_ATTEMPTS):
        before = identity(path)
        try:
            return _read(settled(path), expected)
        except CheckpointError:
            if identity(path) == before:
                raise
            time.sleep(_READ_PAUSE_SECONDS)
    return _read(settled(path), expected)


def newest_valid(parent: Path, *, expected: Mapping[str, ArraySpec] | None = None) -> Found | None:
    """Return the newest valid step checkpoint; None if there is no step checkpoint at all.

    Args:
        parent: The folder of the checkpoints.
        expected: The arrays of the model that will take it.

    Raises:
        CheckpointError: There are step checkpoints, but all are damaged. The error gives the reason for each.
        RunError: The newest valid one does not hold the `expected` arrays; older ones are not tried then.
    """
    skipped: list[tuple[Path, str]] = []
    with explained(f"list the checkpoints in {parent}", error=CheckpointError):
        paths = _step_paths(parent) if disk.exists(parent) else []
    for path in paths:
        try:
            return Found(path, read_checkpoint(path, expected=expected), tuple(skipped))
        except CheckpointError as error:
            skipped.append((path, error.what))
    if skipped:
        raise CheckpointError(
            f"no checkpoint in {parent} can be used: " + "; ".join(reason for _, reason in skipped),
            expected="at least one valid checkpoint",
        )
    return None


def _read(folder: Path, expected: Mapping[str, ArraySpec] | None) -> Checkpoint:
    if folder.is_symlink() or not folder.is_dir():
        raise CheckpointError(f"there is no checkpoint {folder}", expected="a folder, not a symbolic link")
    manifest = _read_manifest(folder / _MANIFEST)
    for member, entry in manifest.items():
        with explained(f"read {folder / member}", error=CheckpointError):
            size = disk.size(folder / member)
        if size != entry["size"]:
            raise CheckpointError(f"{folder / member} has {size} bytes", expected=f"{entry['size']} bytes")
    if manifest[_STATE]["size"] > _LARGEST_STATE_BYTES:
        raise CheckpointError(f"{folder / _STATE} has {manifest[_STATE]['size']} bytes", expected="a few hundred bytes")
    if expected is not None:
        _check_arrays(folder / _ARRAYS, expected)
    members = {member: _read_member(folder / member, sha256=entry["sha256"]) for member, entry in manifest.items()}
    arrays = decode_arrays(members[_ARRAYS], origin=str(folder / _ARRAYS))
    return Checkpoint(arrays, _parsed(folder / _STATE, members[_STATE]))


def _read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    with explained(f"read {path}", error=CheckpointError):
        data = disk.read_file(path, limit=_MANIFEST_LIMIT)
    manifest = _parsed(path, data)
    if manifest.get("format") != _FORMAT:
        raise CheckpointError(f"{path} has the format {manifest.get('format')!r}", expected=f"format {_FORMAT}")
    files = manifest.get("files")
    # This module writes exactly these bytes. Anything else was changed after it was written, even by a single space.
    sound = (
        manifest.keys() == {"format", "files"}
        and isinstance(files, dict)
        and files.keys() == {_ARRAYS, _STATE}
        and all(isinstance(entry, dict) and entry.keys() == {"size", "sha256"} for entry in files.values())
        and data == json.dumps(manifest, sort_keys=True).encode()
    )
    if not isinstance(files, dict) or not sound:
        raise CheckpointError(f"{path} is damaged", expected=f"the size and sha256 of {_ARRAYS} and {_STATE}")
    return files


def _check_arrays(path: Path, expected: Mapping[str, ArraySpec]) -> None:
    largest = _LARGEST_VALUE_BYTES * sum(math.prod(spec.shape) for spec in expected.values()) + _LARGEST_REST_BYTES
    with explained(f"read {path}", error=CheckpointError):
        start = disk.read_file(path, limit=8, largest=largest)
        header = disk.read_file(path, limit=header_length(start))
    difference = check_specs(decode_header(header, origin=str(path)), expected)
    if difference:
        raise RunError(
            f"{path} does not fit the model: {difference}",
            expected="the arrays of the model in spec.yaml, each with its name, shape and dtype",
        )


def _read_member(path: Path, *, sha256: str) -> bytes:
    with explained(f"read {path}", error=CheckpointError):
        data = disk.read_file(path)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise CheckpointError(f"{path} has the sha256 {found}", expected=str(sha256))
    return data


def _parsed(path: Path, data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: {error}", expected="a JSON object") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds {type(value).__name__}", expected="a JSON object")
    return value


def _step_paths(parent: Path) -> list[Path]:
    """Return the step checkpoints, newest first, including any that is being replaced right now."""
    names = [name for name in settled_names(parent) if re.fullmatch("step-[0-9]+", name)]
    steps = {name: int(name.removeprefix("step-")) for name in names}
    return [parent / name for name in sorted(steps, key=lambda name: (steps[name], name), reverse=True)]
