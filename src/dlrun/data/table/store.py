"""A table too large for memory: its stored rows as files of each split, kept until the table or the spec changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from pydantic import TypeAdapter, ValidationError

from dlrun.data.columns import Column, stored_blocks
from dlrun.data.dataset import Array, Split, fingerprint_of
from dlrun.data.table.rows import TableRows
from dlrun.data.table.target import TargetColumn
from dlrun.errors import DataError
from dlrun.signature import Target
from dlrun.system.disk import disk
from dlrun.system.kept_entries import damage_note, make_room, mark_used, one_writer
from dlrun.system.seals import find_damage, seal_folder
from dlrun.system.staging import settled, staged_folder
from dlrun.system.user_folders import cache_folder

KEPT_TABLES = 4
"""Tables that are kept; the one that was not used for the longest time makes room."""

_FORMAT = 3
_INDEX = "table.json"
_ROWS, _PROVISIONAL = "rows", "provisional"


@dataclass(frozen=True)
class StoredTable:
    """What there is to know of a table besides its rows.

    Args:
        columns: The features, in the order of a stored row.
        targets: What is to be predicted.
        target: The same as a whole, or None.
        notes: The choices that were made.
        fingerprint: Of all splits.
        splits: Their names.
        warnings: What may have been read in another way than it was meant.
        left_out: Why a column is no feature, by name.
    """

    columns: tuple[Column, ...]
    targets: tuple[TargetColumn, ...]
    target: Target | None
    notes: tuple[str, ...]
    fingerprint: str
    splits: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: TableRows, splits: Mapping[str, Split]) -> StoredTable:
        """What there is to know of rows, whose values are in `splits`."""
        return cls(
            rows.columns,
            rows.targets,
            rows.target,
            rows.notes,
            fingerprint_of(splits),
            tuple(splits),
            rows.warnings,
            rows.left_out,
        )


def store_key(plain: Mapping[str, Any], files: Iterable[Path]) -> str:
    """What is another for other keys, and as soon as a file changes."""
    identity = [(str(path.absolute()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(json.dumps([_FORMAT, plain, identity]).encode()).hexdigest()[:32]


def read_stored(key: str) -> tuple[StoredTable, dict[str, Split]] | None:
    """The table kept under `key`, its arrays mapped into memory; None if there is none, or it is damaged."""
    folder = settled(_folder(key) / _ROWS)
    if find_damage(folder):
        return None
    try:
        table = _adapter().validate_json(disk.read_file(folder / _INDEX))
        splits = {name: _mapped(folder, name, has_target=bool(table.targets)) for name in table.splits}
        mark_used(folder.parent)
    # Whatever is wrong with what was kept, the answer is to make it again.
    except (OSError, ValueError, ValidationError):
        return None
    return table, splits


def write_stored(key: str, divide: Callable[[Path], TableRows]) -> tuple[StoredTable, dict[str, Split]]:
    """Code a table and keep it under `key`; of several processes that want it, one does, and the others wait for it.

    Args:
        key: Of the table.
        divide: Codes its rows, with files in the folder that it is given.

    Raises:
        DataError: The rows are wrong, or the disk has no room for them.
    """
    folder = _folder(key)
    try:
        with one_writer(folder):
            if (found := read_stored(key)) is not None:
                return found
            with staged_folder(folder / _ROWS) as staged:
                _write(staged, divide)
            make_room(folder, _ROWS, most=KEPT_TABLES)
        found = read_stored(key)
    except OSError as error:
        said = f"the table's rows cannot be kept in {folder}: {error.strerror or error}"
        raise DataError(said, expected="room for them", hint="DLRUN_CACHE names another folder") from error
    if found is None:
        raise DataError(f"{folder} cannot be read again", expected="a disk that keeps what is written")
    return found


def damaged(key: str) -> tuple[str, ...]:
    """The note on what is kept under `key`, if it is there and is not what was written."""
    folder = settled(_folder(key) / _ROWS)
    why = find_damage(folder) if disk.exists(folder) else ""
    return (damage_note(folder, why),) if why else ()


def place_note(key: str) -> str:
    """Where a table is kept."""
    folder = _folder(key)
    size = sum(path.stat().st_size for path in settled(folder / _ROWS).iterdir())
    return f"rows: {size / 2**30:.1f} GiB in {folder}; the {KEPT_TABLES} tables used last are kept"


def _write(staged: Path, divide: Callable[[Path], TableRows]) -> None:
    provisional = staged / _PROVISIONAL
    provisional.mkdir()
    rows = divide(provisional)
    width = sum(column.width for column in rows.columns)
    splits = {}
    for name, split in rows.splits.items():
        path = staged / f"{name}.npy"
        _write_array(path, (len(split), width), stored_blocks(rows.coded, rows.columns, split.features))
        if split.target is not None:
            target = split.target
            _write_array(staged / f"{name}_target.npy", target.shape, (target,), dtype=target.dtype)
        splits[name] = Split(np.load(path, mmap_mode="r"), split.target)
    disk.remove_tree(provisional)
    table = StoredTable.of(rows, splits)
    disk.write_file(staged / _INDEX, _adapter().dump_json(table))
    seal_folder(staged)


def _write_array(path: Path, shape: tuple[int, ...], blocks: Iterable[Array], *, dtype: Any = np.float32) -> None:
    with path.open("wb") as file:
        header = {"descr": npy.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block).data)
        file.flush()
        disk.wait(file.fileno())


def _mapped(folder: Path, name: str, *, has_target: bool) -> Split:
    target = np.load(folder / f"{name}_target.npy", mmap_mode="r") if has_target else None
    return Split(np.load(folder / f"{name}.npy", mmap_mode="r"), target)


def _folder(key: str) -> Path:
    return cache_folder() / "tables" / key


def _adapter() -> TypeAdapter[StoredTable]:
    return TypeAdapter(StoredTable)
