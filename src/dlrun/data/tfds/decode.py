"""Decode the record files of a prepared dataset with tensorflow-datasets once; later runs map the cached arrays."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.mapped import drop_pages
from dlrun.data.tfds.folder import Prepared, broken
from dlrun.errors import DataError
from dlrun.system.cache import Cache
from dlrun.system.disk import disk

_BATCH = 1024
_LAYOUT = 3  # version of the cache entries; increase it when their content changes
_ENDING = ".npy"

Allocate = Callable[[str, tuple[int, ...], str], npt.NDArray[Any]]
"""Allocates an array with a name, a shape and a data type."""


def decoded(
    prepared: Prepared, splits: Sequence[str], *, resize: tuple[int, int] | None
) -> tuple[dict[str, npt.NDArray[Any]], tuple[str, ...]]:
    """Return the features and labels of some splits.

    Args:
        prepared: The prepared dataset.
        splits: Names of the splits.
        resize: Height and width to resize images of different sizes to; otherwise None.

    Returns:
        `train.features`, `train.label` and so on in the order of the files, and notes.

    Shape:
        features: `(examples, *shape)` in the stored dtype, uint8 after `resize`. label: `(examples,)` int32.

    Raises:
        DataError: The images differ in size and `resize` is None, a file is damaged, or memory does not suffice.
    """
    shape = _shape(prepared, resize)
    size = _check_memory(prepared, splits, shape)

    def decode(allocate: Allocate) -> dict[str, npt.NDArray[Any]]:
        with quiet_absl():
            decoded_splits = (_decode(prepared, split, shape, resize=resize, allocate=allocate) for split in splits)
            return {name: array for arrays in decoded_splits for name, array in arrays.items()}

    def write(folder: Path) -> None:
        decode(lambda name, shape, dtype: _mapped_array(folder / f"{name}{_ENDING}", shape, dtype))

    key = f"{prepared.name.replace('/', '-')}-{prepared.version}-{_digest(prepared, splits, resize)[:16]}"
    what = f"{prepared.name} {prepared.version}, splits {', '.join(splits)}"
    try:
        found = Cache("tfds").get_or_make(key, write, _read, what=what, size=size)
    except OSError as error:
        # A cache that cannot be written, as on a full disk, only costs the next run its time, so this one goes on.
        note = f"cache: the decoded arrays of {prepared.name} are in memory: {error.strerror or error}"
        return decode(lambda _name, shape, dtype: np.empty(shape, dtype)), (note,)
    return found.value, found.notes


def _read(folder: Path) -> dict[str, npt.NDArray[Any]]:
    return {path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in sorted(folder.glob(f"*{_ENDING}"))}


def _mapped_array(path: Path, shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    """Make a `.npy` file of zeros and map it, so that memory does not grow with it."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
    with disk.opened(path, os.O_RDWR) as handle:
        # A full disk is an error here; without its blocks, the process would be killed when a page is written.
        os.posix_fallocate(handle, 0, disk.size(path))
    return array


def _shape(prepared: Prepared, resize: tuple[int, int] | None) -> tuple[int, ...]:
    stored = prepared.features.shape
    known = tuple(size for size in stored if size is not None)
    if resize is not None:
        return (*resize, known[-1])
    if len(known) != len(stored):
        raise DataError(
            f"the images of the tensorflow-datasets set {prepared.name!r} differ in size",
            expected="images of the same size",
            hint="set resize, for example resize: [64, 64]",
        )
    return known


def _check_memory(prepared: Prepared, splits: Sequence[str], shape: tuple[int, ...]) -> int:
    """Return the size of the arrays in bytes.

    Raises:
        DataError: The machine does not have that much memory.
    """
    values = sum(prepared.splits[split].examples for split in splits) * int(np.prod(shape))
    needed = values * np.dtype(_kept_dtype(prepared.features.dtype)).itemsize
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise DataError(
            f"{prepared.name} takes {needed / 2**30:.0f} GiB as arrays, but the machine has {memory / 2**30:.0f} GiB",
            expected="data that fits into memory",
            hint="use a smaller resize" if prepared.features.kind == "image" else "",
        )
    return needed


def _kept_dtype(dtype: str) -> str:
    return dtype if dtype in ("uint8", "uint16") else "float32"


def _decode(
    prepared: Prepared,
    split: str,
    shape: tuple[int, ...],
    *,
    resize: tuple[int, int] | None,
    allocate: Allocate,
) -> dict[str, npt.NDArray[Any]]:
    import tensorflow as tf
    import tensorflow_datasets as tfds

    key, label = prepared.features.key, prepared.label.key
    count = prepared.splits[split].examples
    features = allocate(f"{split}.features", (count, *shape), _kept_dtype(prepared.features.dtype))
    labels = allocate(f"{split}.label", (count,), "int32")
    try:
        records = tfds.builder_from_directory(prepared.folder).as_dataset(
            split=split,
            decoders=tfds.decode.PartialDecoding({key: True, label: True}),
            # Read one file after the other, so that examples keep the order of the files.
            read_config=tfds.ReadConfig(interleave_cycle_length=1, add_tfds_id=False),
        )
        if resize is not None:
            records = records.map(lambda example: {**example, key: _resized(example[key], resize)}, tf.data.AUTOTUNE)
        start = 0
        for batch in records.batch(_BATCH).as_numpy_iterator():
            stop = start + len(batch[label])
            features[start:stop], labels[start:stop] = batch[key], batch[label]
            drop_pages((features, labels))
            start = stop
    except (tf.errors.OpError, ValueError, OSError) as error:
        raise broken(prepared.folder, f"the split {split} cannot be read: {str(error).splitlines()[0]}") from error
    # A file that ends between two examples is no error for TensorFlow; the rest of the arrays would be zeros.
    if start != count:
        raise broken(prepared.folder, f"the split {split} has {start:,} examples, not {count:,}")
    return {f"{split}.features": features, f"{split}.label": labels}


def _resized(image: Any, size: tuple[int, int]) -> Any:
    import tensorflow as tf

    # Rounded, because the cast would cut off fractions, which makes the image darker.
    resized = tf.image.resize(tf.cast(image, tf.float32), size, method="bilinear")
    return tf.cast(tf.round(resized), image.dtype) if image.dtype.is_integer else resized


def _digest(prepared: Prepared, splits: Sequence[str], resize: tuple[int, int] | None) -> str:
    """Return a digest of everything that the arrays depend on."""
    # Files are identified by size and modification time: hashing them would take longer than reading the cache.
    files = [
        (file.name, file.stat().st_size, file.stat().st_mtime_ns) for s in splits for file in prepared.splits[s].files
    ]
    info = [(prepared.folder / name).read_text("utf-8") for name in ("dataset_info.json", "features.json")]
    parts = [_LAYOUT, info, sorted(files), prepared.features.key, prepared.label.key, resize]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@contextmanager
def quiet_absl() -> Iterator[None]:
    """Hide the warnings of tensorflow-datasets about its own deprecated attributes."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
