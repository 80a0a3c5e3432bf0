"""Find a dataset prepared by tensorflow-datasets, and read its content from its two JSON files.

    <data_dir>/<name>[/<config>]/<version>/dataset_info.json  features.json  <name>-<split>.tfrecord-00000-of-00001 ...

Neither TensorFlow nor tensorflow-datasets is imported.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlrun.data.tfds.features import StoredFeature, StoredLabel, choose_features, choose_label
from dlrun.errors import DataError

_VERSION = re.compile(r"\d+\.\d+\.\d+$")
_TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
# A TFRecord file has 8 bytes of length and two checksums of 4 bytes around each example.
_RECORD_FRAME_BYTES = 16


_GREY, _COLOUR = (28, 28, 1), (32, 32, 3)
_DEFAULT_CONFIGS = {"emnist": "byclass"}


@dataclass(frozen=True)
class SetName:
    """The parts of a name such as `mnist`, `emnist/letters`, `mnist:3.0.1` or `emnist/letters:3.1.0`."""

    name: str
    config: str | None = None
    version: str | None = None

    @classmethod
    def parse(cls, text: str) -> SetName:
        """Parse a name, whose form the spec has already checked."""
        path, _, version = text.partition(":")
        name, _, config = path.partition("/")
        return cls(name, config or None, version or None)


@dataclass(frozen=True)
class StoredSplit:
    """A split on disk."""

    examples: int
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Prepared:
    """The content of a prepared dataset.

    Args:
        folder: Folder of one version.
        name: Name of the dataset with its config.
        version: Version, such as 3.0.1.
        features: The feature to learn from.
        label: The class label.
        splits: Splits by name.
    """

    folder: Path
    name: str
    version: str
    features: StoredFeature
    label: StoredLabel
    splits: Mapping[str, StoredSplit]


def data_folder(given: str | None) -> Path:
    """Return the folder of prepared datasets: the given one, or `TFDS_DATA_DIR`, or the default of the library."""
    return Path(given or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def find_prepared(data_dir: Path, wanted: SetName) -> Path | None:
    """Return the folder of the newest matching version, or None.

    Raises:
        DataError: The set is prepared in several configs, and has no default.
    """
    folder = data_dir / wanted.name
    if wanted.config:
        return _newest(folder / wanted.config, wanted.version)
    return _newest(folder, wanted.version) or _newest_of_default_config(folder, wanted)


def read_prepared(folder: Path, *, features: str | None = None, label: str | None = None) -> Prepared:
    """Read the content of a prepared folder, and check that its files are complete.

    Args:
        folder: Folder of one version.
        features: Name of the feature to learn from; None for the default of the set.
        label: Name of the class label; None for the default of the set.

    Raises:
        DataError: A file is missing or incomplete, or the set has no class label or no suitable feature.
    """
    info = _read_json(folder, "dataset_info.json")
    stored = _read_json(folder, "features.json").get("featuresDict", {}).get("features", {})
    supervised = [
        item.get("featureKey", "") for item in info.get("supervisedKeys", {}).get("tuple", {}).get("items", [])
    ]
    name = info.get("name", folder.parent.name)
    chosen_label = choose_label(stored, label, supervised=supervised, name=name, folder=folder)
    splits = {split["name"]: _stored_split(folder, info, split) for split in info.get("splits", [])}
    config = info.get("configName")
    return Prepared(
        folder,
        f"{name}/{config}" if config else name,
        info.get("version", folder.name),
        choose_features(stored, features, supervised=supervised, name=name, label=chosen_label.key),
        chosen_label,
        splits,
    )


def count_examples(folder: Path) -> dict[str, int]:
    """Return the number of examples in each split of a prepared folder.

    Raises:
        DataError: The JSON file of the folder is missing or damaged.
    """
    splits = _read_json(folder, "dataset_info.json").get("splits", [])
    return {split["name"]: sum(map(int, split.get("shardLengths", []))) for split in splits}


def unfinished(data_dir: Path, wanted: SetName) -> Path | None:
    """Return the remains of an interrupted preparation, or None."""
    return next((data_dir / wanted.name).glob("**/incomplete.*"), None)


def _newest(folder: Path, version: str | None) -> Path | None:
    found = [path for path in folder.glob("*") if path.is_dir() and _VERSION.match(path.name)]
    fitting = [path for path in found if version is None or fnmatch.fnmatchcase(path.name, version)]
    # As numbers, because as texts 3.9.0 would be newer than 3.10.0.
    return max(fitting, key=lambda path: tuple(map(int, path.name.split("."))), default=None)


def _newest_of_default_config(folder: Path, wanted: SetName) -> Path | None:
    by_config = {path.name: _newest(path, wanted.version) for path in folder.glob("[!.]*") if path.is_dir()}
    prepared = {config: path for config, path in by_config.items() if path is not None}
    metadata = folder / ".config" / "metadata.json"
    if metadata.is_file():
        return prepared.get(_read_json(metadata.parent, metadata.name).get("default_config_name", ""))
    if len(prepared) <= 1:
        return next(iter(prepared.values()), None)
    names = ", ".join(f"{wanted.name}/{config}" for config in sorted(prepared))
    raise DataError(f"{wanted.name} is prepared in {folder} in several configs", expected=f"name: one of {names}")


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    try:
        read = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise broken(folder, f"{name} is missing") from error
    except (OSError, ValueError) as error:
        raise broken(folder, f"{name} cannot be read: {error}") from error
    if not isinstance(read, dict):
        raise broken(folder, f"{name} does not contain a JSON object")
    return read


def _stored_split(folder: Path, info: Mapping[str, Any], split: Mapping[str, Any]) -> StoredSplit:
    lengths = [int(length) for length in split.get("shardLengths", [])]
    file_format = info.get("fileFormat", "tfrecord")
    template = split.get("filepathTemplate") or _TEMPLATE
    files = []
    for index in range(len(lengths)):
        shard = {"SHARD_INDEX": f"{index:05d}", "NUM_SHARDS": f"{len(lengths):05d}"}
        fields = {"DATASET": info.get("name", ""), "SPLIT": split["name"], "FILEFORMAT": file_format, **shard}
        fields["SHARD_X_OF_Y"] = f"{index:05d}-of-{len(lengths):05d}"
        file = folder / re.sub(r"\{(\w+)\}", lambda match, fields=fields: fields.get(match[1], match[0]), template)
        if not file.is_file():
            raise broken(folder, f"{file.name} is missing")
        files.append(file)
    # The sizes reveal an interrupted copy within milliseconds; otherwise only decoding would find it.
    expected = int(split.get("numBytes", 0)) + _RECORD_FRAME_BYTES * sum(lengths)
    found = sum(file.stat().st_size for file in files)
    if file_format == "tfrecord" and files and found != expected:
        raise broken(folder, f"the files of the split {split['name']} have {found:,} bytes, not {expected:,}")
    return StoredSplit(sum(lengths), tuple(files))


def broken(folder: Path, what: str) -> DataError:
    """Return the error for an incomplete or damaged folder."""
    return DataError(
        f"{folder} is damaged or was only partly prepared: {what}",
        expected="a complete folder prepared by tensorflow-datasets",
        hint=f"remove {folder}, and prepare or copy it again",
    )


@dataclass(frozen=True)
class KnownSet:
    """The shape of one example, the number of classes, and the size of each split."""

    shape: tuple[int, ...]
    num_classes: int
    examples: Mapping[str, int]


_KNOWN = {
    "mnist": KnownSet(_GREY, 10, {"train": 60_000, "test": 10_000}),
    "fashion_mnist": KnownSet(_GREY, 10, {"train": 60_000, "test": 10_000}),
    "kmnist": KnownSet(_GREY, 10, {"train": 60_000, "test": 10_000}),
    "emnist/byclass": KnownSet(_GREY, 62, {"train": 697_932, "test": 116_323}),
    "emnist/bymerge": KnownSet(_GREY, 47, {"train": 697_932, "test": 116_323}),
    "emnist/balanced": KnownSet(_GREY, 47, {"train": 112_800, "test": 18_800}),
    "emnist/letters": KnownSet(_GREY, 37, {"train": 88_800, "test": 14_800}),
    "emnist/digits": KnownSet(_GREY, 10, {"train": 240_000, "test": 40_000}),
    "emnist/mnist": KnownSet(_GREY, 10, {"train": 60_000, "test": 10_000}),
    "cifar10": KnownSet(_COLOUR, 10, {"train": 50_000, "test": 10_000}),
    "cifar100": KnownSet(_COLOUR, 100, {"train": 50_000, "test": 10_000}),
    "svhn_cropped": KnownSet(_COLOUR, 10, {"train": 73_257, "test": 26_032, "extra": 531_131}),
    "stl10": KnownSet((96, 96, 3), 10, {"train": 5_000, "test": 8_000, "unlabelled": 100_000}),
    "iris": KnownSet((4,), 3, {"train": 150}),
}


def known_set(wanted: SetName) -> KnownSet | None:
    """Return the known facts about a set, by its name; None for other sets."""
    config = wanted.config or _DEFAULT_CONFIGS.get(wanted.name)
    return _KNOWN.get(f"{wanted.name}/{config}" if config else wanted.name)


def known_names() -> tuple[str, ...]:
    """Return the names of the known sets."""
    return tuple(_KNOWN)
