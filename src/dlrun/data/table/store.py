"""Store the rows of a table that is too large for memory in the cache, with files for each split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from pydantic import TypeAdapter

from dlrun.data.columns import Column, stored_blocks
from dlrun.data.example_columns.columns import WeightColumn
from dlrun.data.splits import Array, Split, fingerprint_of
from dlrun.data.table.rows import TableRows
from dlrun.data.table.target import TargetColumn
from dlrun.signature import Target
from dlrun.system.cache import Cache, Cached
from dlrun.system.cache_entries import LIMIT_VARIABLE
from dlrun.system.disk import disk

_FORMAT = 5
_INDEX = "table.json"
_PROVISIONAL = "provisional"

Stored = tuple["StoredTable", dict[str, Split]]


@dataclass(frozen=True)
class StoredTable:
    """All facts about a table except its rows.

    Args:
        columns: The feature columns in the order of a stored row.
        targets: The target columns.
        target: The target of the model; None for an autoencoder.
        notes: Notes on the choices that were made.
        fingerprint: Fingerprint of all splits.
        splits: Names of the splits.
        warnings: Warnings about ambiguous content of the files.
        left_out: Reasons why columns are not features, by name.
        weight: The column of the weights of rows; None if all count once.
    """

    columns: tuple[Column, ...]
    targets: tuple[TargetColumn, ...]
    target: Target | None
    notes: tuple[str, ...]
    fingerprint: str
    splits: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    weight: WeightColumn | None = None

    @classmethod
    def of(cls, rows: TableRows, splits: Mapping[str, Split]) -> StoredTable:
        """Return the facts about rows whose values are in `splits`."""
        return cls(
            rows.columns,
            rows.targets,
            rows.target,
            rows.notes,
            fingerprint_of(splits),
            tuple(splits),
            rows.warnings,
            rows.left_out,
            rows.weight,
        )


def store_key(plain: Mapping[str, Any], files: Iterable[Path]) -> str:
    """Return a digest of the keys and files. It changes with the keys, and with the size or time of a file."""
    identity = [(str(path.absolute()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(json.dumps([_FORMAT, plain, identity]).encode()).hexdigest()[:32]


def read_stored(key: str) -> Cached[Stored] | None:
    """Return the table cached under a key with memory-mapped arrays; None if it is missing or damaged."""
    return Cache("tables").get(key, _read)


def write_stored(key: str, divide: Callable[[Path], TableRows], *, what: str, size: int) -> Cached[Stored]:
    """Code a table and cache it under a key. If several processes need it, one does the work and the others wait.

    Args:
        key: Key of the table.
        divide: Function that codes its rows, with files in a given folder.
        what: The table in words.
        size: Approximate size of its rows in bytes.

    Raises:
        DataError: The rows are wrong.
        OSError: No disk has space for them.
    """
    return Cache("tables").get_or_make(key, lambda folder: _write(folder, divide), _read, what=what, size=size)


def place_note(found: Cached[Stored]) -> str:
    """Return a note on where a table is stored."""
    size = sum(array.nbytes for split in found.value[1].values() for _, array in split.arrays()) / 2**30
    if found.folder is None:
        return f"rows: {size:.1f} GiB in temporary files, which are deleted when this run ends"
    return f"rows: {size:.1f} GiB in {found.folder}; {LIMIT_VARIABLE} limits the size of this cache"


def _read(folder: Path) -> Stored:
    table = _adapter().validate_json(disk.read_file(folder / _INDEX))
    return table, {name: _mapped(folder, name, table) for name in table.splits}


def _write(staged: Path, divide: Callable[[Path], TableRows]) -> None:
    # No row can be written before the columns are fitted, so each column is first coded into a file of its own.
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
        rows_of_split = np.asarray(split.features)
        _write_array(_rows_file(staged, name), rows_of_split.shape, (rows_of_split,), dtype=rows_of_split.dtype)
        if split.weight is not None:
            _write_array(staged / f"{name}_weight.npy", split.weight.shape, (split.weight,))
        splits[name] = Split(np.load(path, mmap_mode="r"), split.target, weight=split.weight)
    disk.remove_tree(provisional)
    table = StoredTable.of(rows, splits)
    disk.write_file(staged / _INDEX, _adapter().dump_json(table))


def _write_array(path: Path, shape: tuple[int, ...], blocks: Iterable[Array], *, dtype: Any = np.float32) -> None:
    with path.open("wb") as file:
        # np.save would need the whole array in memory.
        header = {"descr": npy.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block).data)


def _mapped(folder: Path, name: str, table: StoredTable) -> Split:
    target = np.load(folder / f"{name}_target.npy", mmap_mode="r") if table.targets else None
    weight = np.load(folder / f"{name}_weight.npy", mmap_mode="r") if table.weight is not None else None
    rows = np.load(_rows_file(folder, name), mmap_mode="r")
    return Split(np.load(folder / f"{name}.npy", mmap_mode="r"), target, weight=weight, rows=rows)


def _rows_file(folder: Path, split: str) -> Path:
    """Return the file of the row numbers of a split."""
    return folder / f"{split}_rows.npy"


def _adapter() -> TypeAdapter[StoredTable]:
    return TypeAdapter(StoredTable)
