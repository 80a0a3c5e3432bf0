"""Download and prepare a dataset with tensorflow-datasets, or report at once why that is impossible and what to do."""

from __future__ import annotations

import contextlib
import importlib.metadata
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlrun.data.tfds.folder import SetName, find_prepared, unfinished
from dlrun.errors import DataError
from dlrun.names import nearest
from dlrun.system.network import find_unreachable

# The host of most datasets, which is probed if a dataset does not list its downloads.
_USUAL_URL = "https://storage.googleapis.com/tfds-data"


def download(name: str, data_dir: Path, *, instead: str) -> Path:
    """Download and prepare a dataset.

    Args:
        name: Name as in the spec: `mnist`, `emnist/letters:3.1.0`.
        data_dir: Folder of prepared datasets.
        instead: What to try if the download fails.

    Returns:
        The prepared folder.

    Raises:
        DataError: The dataset does not exist, there is no network, or the preparation fails.
    """
    wanted = SetName.parse(name)
    builder = _builder_class(wanted)
    # Before TensorFlow is imported, so that a machine without a network gets its error at once.
    failure = find_unreachable(builder.url_infos or [_USUAL_URL])
    if failure is not None:
        raise absent(name, data_dir, f"cannot be downloaded: {failure}", instead=instead)
    import tensorflow as tf
    import tensorflow_datasets as tfds

    failures = (
        OSError, ImportError, ValueError, AssertionError, RuntimeError, tf.errors.OpError,
        tfds.download.DownloadError, tfds.core.download.download_manager.NonMatchingChecksumError,
    )  # fmt: skip
    try:
        # tensorflow-datasets prints its progress to stdout, which is for results.
        with contextlib.redirect_stdout(sys.stderr):
            tfds.builder(name, data_dir=data_dir).download_and_prepare()
    except failures as error:
        why = str(error).strip() or type(error).__name__
        raise absent(name, data_dir, f"could not be prepared: {why}", instead=instead) from error
    folder = find_prepared(data_dir, wanted)
    if folder is None:
        raise absent(name, data_dir, "was prepared somewhere else", instead=instead)
    return folder


def absent(name: str, data_dir: Path, why: str, *, instead: str) -> DataError:
    """Return the error for a missing dataset, with how to get it from another machine, and what works without it."""
    wanted = SetName.parse(name)
    left = unfinished(data_dir, wanted)
    also = f" (an interrupted preparation left {left})" if left else ""
    return DataError(
        f"the tensorflow-datasets set {name!r} is not in {data_dir}{also}, and {why}",
        expected=f"its prepared files in {data_dir / wanted.name}; create them on a machine with a network with "
        f"dlrun data fetch {name}, and copy the folder that it prints to {data_dir / wanted.name}",
        hint=instead,
    )


def _builder_class(wanted: SetName) -> Any:
    # Names, configs and addresses are available without importing TensorFlow.
    import tensorflow_datasets as tfds

    names = tfds.list_builders(with_community_datasets=False)
    if wanted.name not in names:
        version = importlib.metadata.version("tensorflow-datasets")
        raise _unknown(f"tensorflow-datasets {version} has no set {wanted.name!r}", wanted.name, names)
    builder = tfds.builder_cls(wanted.name)
    configs = [config.name for config in builder.BUILDER_CONFIGS]
    if wanted.config is not None and wanted.config not in configs:
        what = f"the tensorflow-datasets set {wanted.name!r} has no config {wanted.config!r}"
        expected = ("one of " + ", ".join(configs)) if configs else f"name: {wanted.name}; it has no configs"
        raise _unknown(what, wanted.config, configs, expected=expected)
    return builder


def _unknown(what: str, name: str, known: Sequence[str], *, expected: str = "") -> DataError:
    near = nearest(name, known)
    return DataError(
        what,
        expected=expected or f"one of its {len(known)} sets, or one that is prepared in the data folder",
        hint=f"did you mean {near!r}?" if near else "",
    )
