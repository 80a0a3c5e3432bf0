"""Load a prepared set whose examples are rows of single values, as a table in Parquet files."""

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
from dlrun.system.cache import Cache
from dlrun.system.disk import reason
from dlrun.system.user_folders import cache_folder

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 8192
_LAYOUT = 3  # version of the cache entries; increase it when their content changes


def load_table(prepared: Prepared, splits: Sequence[str], *, keys: ColumnKeys, held_out: Mapping[str, Any]) -> Dataset:
    """Load a set whose examples are rows of single values. Its classes are named in the table.

    The rows are written to Parquet files in the cache, unless an earlier run has done so, and read like any table.

    Args:
        prepared: The set.
        splits: Names of the splits to read.
        keys: How to read columns.
        held_out: The keys `test`, `validation`, `seed` and `fold` of every dataset.

    Raises:
        DataError: A file is damaged, or the table cannot be trained on.
    """
    # If validation examples are held out, the set's own split is not given: `Source.problems` refuses both at once.
    is_held_out = held_out["validation"] or held_out["fold"]
    brought = ("test",) if is_held_out else ("test", "validation")
    fixed = {"target": prepared.label.key, "task": "classification", "missing_target": "drop"}

    def write(folder: Path) -> None:
        for split in splits:
            _write(prepared, split, folder / f"{split}.parquet")

    def read(folder: Path) -> Dataset:
        places = {f"{name}_path": str(folder / f"{name}.parquet") for name in brought if name in splits}
        path = str(folder / "train.parquet")
        return Table.model_validate({"path": path, **places, **fixed, **held_out, **dict(keys)}).load()

    what = f"{prepared.name} {prepared.version}, splits {', '.join(splits)}"
    try:
        found = Cache("tfds-tables").get_or_make(_key(prepared, splits), write, read, what=what)
    except OSError as error:
        what = f"the table of {prepared.name} cannot be written to {cache_folder()}: {reason(error)[0]}"
        raise DataError(what, expected="enough space for it", hint="set DLRUN_CACHE to another folder") from error
    note = f"{prepared.name} {prepared.version}, as prepared in {prepared.folder}"
    return replace(found.value, name=prepared.name, notes=(note, *found.notes, *found.value.notes))


def _key(prepared: Prepared, splits: Sequence[str]) -> str:
    """Return the name of the cache entry, which changes with the files of the set."""
    stamps = [(file.name, file.stat().st_mtime_ns) for split in splits for file in prepared.splits[split].files]
    parts = [_LAYOUT, str(prepared.folder), prepared.features.columns, prepared.label.key, list(splits), stamps]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    return f"{prepared.name.replace('/', '-')}-{prepared.version}-{digest}"


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
        # Some sets mark an example without a class by -1, which is a missing value in a table.
        if known:
            columns[key] = pa.array([known[index] if 0 <= index < len(known) else None for index in values.tolist()])
        elif values.dtype.kind in "OS":
            columns[key] = pa.array([value.decode("utf-8", "replace") for value in values.tolist()])
        else:
            columns[key] = pa.array(values.astype(np.float64) if values.dtype.kind == "f" else values.astype(np.int64))
    return pa.table(columns)
