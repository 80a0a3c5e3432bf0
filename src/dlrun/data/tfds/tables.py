"""A prepared set of tensorflow-datasets whose examples are rows of single values, as Parquet files of its splits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlrun.data.columns import ColumnKeys
from dlrun.data.dataset import Dataset
from dlrun.data.table.source import Table
from dlrun.data.tfds.decode import quiet_absl
from dlrun.data.tfds.features import class_names
from dlrun.data.tfds.folder import Prepared, broken
from dlrun.errors import DataError
from dlrun.system.disk import disk
from dlrun.system.kept_entries import damage_note, one_writer
from dlrun.system.seals import find_damage, seal_folder
from dlrun.system.staging import settled, staged_folder
from dlrun.system.user_folders import cache_folder

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 8192
_LAYOUT = 2  # of a cache entry; counts up when what is stored changes
_SPLITS = "splits"


def load_table(prepared: Prepared, splits: Sequence[str], *, keys: ColumnKeys, held_out: Mapping[str, Any]) -> Dataset:
    """Load a set of single values as a table is loaded from files.

    Args:
        prepared: The set.
        splits: Those to read.
        keys: How columns are read.
        held_out: The keys `test`, `validation` and `seed` of every dataset.

    Raises:
        DataError: A file is damaged, or the table cannot be trained on.
    """
    files, mended = table_files(prepared, splits)
    brought = ("test",) if held_out["validation"] else ("test", "validation")
    places = {f"{name}_path": str(files[name]) for name in brought if name in files}
    said = {"path": str(files["train"]), **places, "target": prepared.label.key}
    fixed = {"task": "classification", "missing_target": "drop"}
    loaded = Table.model_validate({**said, **fixed, **held_out, **dict(keys)}).load()
    note = f"{prepared.name} {prepared.version}, as prepared in {prepared.folder}"
    return replace(loaded, name=prepared.name, notes=(note, *mended, *loaded.notes))


def table_files(prepared: Prepared, splits: Sequence[str]) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Write the splits as tables, unless an earlier run has; classes stand in them by name.

    Args:
        prepared: The set.
        splits: Names.

    Returns:
        The file of each split, in the user's cache folder; and a note on what an earlier run has left damaged there.

    Raises:
        DataError: A file of the set is damaged, or the cache cannot be written.
    """
    stamps = [(file.name, file.stat().st_mtime_ns) for split in splits for file in prepared.splits[split].files]
    told = json.dumps([_LAYOUT, str(prepared.folder), prepared.features.columns, prepared.label.key, stamps])
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    folder = cache_folder() / "tfds-tables" / f"{prepared.name.replace('/', '-')}-{prepared.version}-{digest}"
    content, mended = folder / _SPLITS, ""
    try:
        with one_writer(folder):
            if why := find_damage(settled(content)):
                mended = damage_note(content, why) if disk.exists(settled(content)) else ""
                with staged_folder(content) as staged:
                    for split in splits:
                        _write(prepared, split, staged / f"{split}.parquet")
                    seal_folder(staged)
    except OSError as error:
        raise DataError(f"the table of {prepared.name} cannot be kept in {folder}: {error.strerror}") from error
    return {split: settled(content) / f"{split}.parquet" for split in splits}, (mended,) if mended else ()


def _write(prepared: Prepared, split: str, path: Path) -> None:
    import pyarrow.parquet as pq
    import tensorflow as tf
    import tensorflow_datasets as tfds

    keys = (*prepared.features.columns, prepared.label.key)
    names = {key: class_names(prepared.folder, key) for key in keys}
    try:
        with quiet_absl():
            records = tfds.builder_from_directory(prepared.folder).as_dataset(
                split=split,
                decoders=tfds.decode.PartialDecoding(dict.fromkeys(keys, True)),
                read_config=tfds.ReadConfig(interleave_cycle_length=1, add_tfds_id=False),
            )
        writer: Any = None
        for batch in records.batch(_BATCH).as_numpy_iterator():
            table = _table(batch, names)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
        if writer is None:
            raise broken(prepared.folder, f"the split {split} has no examples")
        writer.close()
    except (tf.errors.OpError, ValueError) as error:
        raise broken(prepared.folder, f"the split {split} cannot be read: {str(error).splitlines()[0]}") from error


def _table(batch: Mapping[str, Any], names: Mapping[str, Sequence[str]]) -> pa.Table:
    import pyarrow as pa

    columns = {}
    for key, known in names.items():
        values = batch[key]
        if known:
            columns[key] = pa.array([known[index] if 0 <= index < len(known) else None for index in values.tolist()])
        elif values.dtype.kind in "OS":
            columns[key] = pa.array([value.decode("utf-8", "replace") for value in values.tolist()])
        else:
            columns[key] = pa.array(values.astype(np.float64) if values.dtype.kind == "f" else values.astype(np.int64))
    return pa.table(columns)
