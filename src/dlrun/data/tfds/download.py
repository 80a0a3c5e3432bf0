"""Have tensorflow-datasets download and prepare a set, or say at once why it cannot and what to do instead."""

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

# Where most sets lie; asked when a set does not say what it downloads.
_USUAL_URL = "https://storage.googleapis.com/tfds-data"


def download(name: str, data_dir: Path, *, instead: str) -> Path:
    """Download and prepare a set.

    Args:
        name: As the spec has it: `mnist`, `emnist/letters:3.1.0`.
        data_dir: Where it is to lie.
        instead: What to try when it cannot be had.

    Returns:
        Its folder.

    Raises:
        DataError: There is no such set, no network, or preparing it fails.
    """
    wanted = SetName.parse(name)
    builder = _builder_class(wanted)
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
        # It prints where it is; stdout is for results.
        with contextlib.redirect_stdout(sys.stderr):
            tfds.builder(name, data_dir=data_dir).download_and_prepare()
    except failures as error:
        said = str(error).strip() or type(error).__name__
        raise absent(name, data_dir, f"could not be prepared: {said}", instead=instead) from error
    folder = find_prepared(data_dir, wanted)
    if folder is None:
        raise absent(name, data_dir, "was prepared somewhere else", instead=instead)
    return folder


def absent(name: str, data_dir: Path, why: str, *, instead: str) -> DataError:
    """The error for a set that is not there: how to get it from another machine, and what runs now without it."""
    wanted = SetName.parse(name)
    left = unfinished(data_dir, wanted)
    also = f" (an interrupted preparation has left {left})" if left else ""
    return DataError(
        f"the tensorflow-datasets set {name!r} is not in {data_dir}{also}, and {why}",
        expected=f"its prepared files in {data_dir / wanted.name}; make them on a machine with a network, by "
        f"dlrun data fetch {name}, and copy the folder that it names to {data_dir / wanted.name}",
        hint=instead,
    )


def _builder_class(wanted: SetName) -> Any:
    # Names, configs and addresses are all there without importing TensorFlow.
    import tensorflow_datasets as tfds

    names = tfds.list_builders(with_community_datasets=False)
    if wanted.name not in names:
        version = importlib.metadata.version("tensorflow-datasets")
        raise _unknown(f"tensorflow-datasets {version} has no set {wanted.name!r}", wanted.name, names)
    builder = tfds.builder_cls(wanted.name)
    configs = [config.name for config in builder.BUILDER_CONFIGS]
    if wanted.config is not None and wanted.config not in configs:
        said = f"the tensorflow-datasets set {wanted.name!r} has no config {wanted.config!r}"
        expected = ("one of " + ", ".join(configs)) if configs else f"name: {wanted.name}; it has no configs"
        raise _unknown(said, wanted.config, configs, expected=expected)
    return builder


def _unknown(said: str, name: str, known: Sequence[str], *, expected: str = "") -> DataError:
    near = nearest(name, known)
    return DataError(
        said,
        expected=expected or f"one of its {len(known)} sets, or one that is prepared in the data folder",
        hint=f"did you mean {near!r}?" if near else "",
    )
