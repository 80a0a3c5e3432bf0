"""From the record files of a prepared dataset to arrays: decoded once by tensorflow-datasets, then from the cache."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.arrays.cache import damaged, read_cached, write_cached
from dlrun.data.tfds.folder import Prepared, broken
from dlrun.errors import DataError

_BATCH = 1024
_LAYOUT = 2  # of a cache entry; counts up when what is stored changes


def decoded(
    prepared: Prepared, splits: Sequence[str], *, resize: tuple[int, int] | None
) -> tuple[dict[str, npt.NDArray[Any]], tuple[str, ...]]:
    """The features and labels of some splits.

    Args:
        prepared: The folder.
        splits: Names.
        resize: Height and width of the images, for a set whose images differ in size; else None.

    Returns:
        `train.features`, `train.label` and so on, in the order of the files; and notes.

    Shape:
        features: `(examples, *shape)` in the stored dtype, uint8 after `resize`. label: `(examples,)` int32.

    Raises:
        DataError: The images differ in size and `resize` is None, a file is damaged, or memory does not suffice.
    """
    shape = _shape(prepared, resize)
    _check_memory(prepared, splits, shape)
    name = f"tfds/{prepared.name.replace('/', '-')}-{prepared.version}-{_digest(prepared, splits, resize)[:16]}"
    cached = read_cached(name)
    if cached is not None:
        return cached, ()
    mended = damaged(name)
    arrays: dict[str, npt.NDArray[Any]] = {}
    with quiet_absl():
        for split in splits:
            arrays[f"{split}.features"], arrays[f"{split}.label"] = _decode(prepared, split, shape, resize)
    note = write_cached(name, arrays)
    return arrays, (*mended, *((f"cache: {note}",) if note else ()))


def _shape(prepared: Prepared, resize: tuple[int, int] | None) -> tuple[int, ...]:
    stored = prepared.features.shape
    known = tuple(size for size in stored if size is not None)
    if resize is not None:
        return (*resize, known[-1])
    if len(known) != len(stored):
        raise DataError(
            f"the images of the tensorflow-datasets set {prepared.name!r} differ in size",
            expected="one size for all",
            hint="set resize, for example resize: [64, 64]",
        )
    return known


def _check_memory(prepared: Prepared, splits: Sequence[str], shape: tuple[int, ...]) -> None:
    values = sum(prepared.splits[split].examples for split in splits) * int(np.prod(shape))
    needed = values * np.dtype(_kept_dtype(prepared.features.dtype)).itemsize
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise DataError(
            f"{prepared.name} takes {needed / 2**30:.0f} GiB as arrays, and the machine has {there / 2**30:.0f} GiB",
            expected="data that fits into memory",
            hint="a smaller resize" if prepared.features.kind == "image" else "",
        )


def _kept_dtype(dtype: str) -> str:
    return dtype if dtype in ("uint8", "uint16") else "float32"


def _decode(
    prepared: Prepared, split: str, shape: tuple[int, ...], resize: tuple[int, int] | None
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int32]]:
    import tensorflow as tf
    import tensorflow_datasets as tfds

    key, label = prepared.features.key, prepared.label.key
    count = prepared.splits[split].examples
    features = np.empty((count, *shape), _kept_dtype(prepared.features.dtype))
    labels = np.empty(count, np.int32)
    try:
        records = tfds.builder_from_directory(prepared.folder).as_dataset(
            split=split,
            decoders=tfds.decode.PartialDecoding({key: True, label: True}),
            # One file after the other, so that the order is that of the files.
            read_config=tfds.ReadConfig(interleave_cycle_length=1, add_tfds_id=False),
        )
        if resize is not None:
            records = records.map(lambda example: {**example, key: _resized(example[key], resize)}, tf.data.AUTOTUNE)
        start = 0
        for batch in records.batch(_BATCH).as_numpy_iterator():
            stop = start + len(batch[label])
            features[start:stop], labels[start:stop] = batch[key], batch[label]
            start = stop
    except (tf.errors.OpError, ValueError, OSError) as error:
        raise broken(prepared.folder, f"the split {split} cannot be read: {str(error).splitlines()[0]}") from error
    if start != count:
        raise broken(prepared.folder, f"the split {split} has {start:,} examples, not {count:,}")
    return features, labels


def _resized(image: Any, size: tuple[int, int]) -> Any:
    import tensorflow as tf

    resized = tf.image.resize(tf.cast(image, tf.float32), size, method="bilinear")
    return tf.cast(tf.round(resized), image.dtype) if image.dtype.is_integer else resized


def _digest(prepared: Prepared, splits: Sequence[str], resize: tuple[int, int] | None) -> str:
    """Of all that the arrays depend on."""
    # Files by size and time of change: reading them would take longer than reading the cache.
    files = [
        (file.name, file.stat().st_size, file.stat().st_mtime_ns) for s in splits for file in prepared.splits[s].files
    ]
    info = [(prepared.folder / name).read_text("utf-8") for name in ("dataset_info.json", "features.json")]
    parts = [_LAYOUT, info, sorted(files), prepared.features.key, prepared.label.key, resize]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@contextmanager
def quiet_absl() -> Iterator[None]:
    """Keep tensorflow-datasets' warnings about its own deprecated attributes from the user."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
