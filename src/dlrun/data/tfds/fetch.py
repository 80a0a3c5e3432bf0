"""Find the prepared folder of a tensorflow-datasets set, or download and prepare it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlrun.data.tfds.download import download
from dlrun.data.tfds.folder import SetName, count_examples, data_folder, find_prepared, read_prepared
from dlrun.data.tfds.source import is_set_name
from dlrun.errors import DataError, UsageError


@dataclass(frozen=True)
class Fetched:
    """A prepared set.

    Args:
        name: Requested name.
        folder: Folder of its version.
        data_dir: Folder of all sets.
        splits: Number of examples of each split.
        size: Size of its files in bytes.
        was_there: Whether it was already prepared.
        unusable: Why dlrun cannot train on it; empty if it can.
    """

    name: str
    folder: Path
    data_dir: Path
    splits: Mapping[str, int]
    size: int
    was_there: bool
    unusable: str = ""

    @property
    def set_folder(self) -> Path:
        """The folder to copy to another machine, with all configs and versions of the set."""
        return self.data_dir / SetName.parse(self.name).name

    @property
    def usage(self) -> str:
        """How to use the set in a spec, and what to set so that it is found."""
        key = f"dataset: {{type: tfds, name: {self.name}}}"
        is_usual = self.data_dir.resolve() == data_folder(None).resolve()
        return key if is_usual else f"{key}, with TFDS_DATA_DIR={self.data_dir.resolve()} or data_dir in the spec"

    def plain(self) -> dict[str, Any]:
        """Return the facts as a JSON object."""
        return {
            "name": self.name,
            "folder": str(self.folder),
            "data_dir": str(self.data_dir),
            "splits": dict(self.splits),
            "bytes": self.size,
            "was_there": self.was_there,
            "unusable": self.unusable,
        }


def fetch_set(name: str, *, data_dir: str | None = None) -> Fetched:
    """Find a prepared set, or download and prepare it.

    Args:
        name: Name in tensorflow-datasets.
        data_dir: Folder of prepared sets; None for `TFDS_DATA_DIR`, or else the default of tensorflow-datasets.

    Raises:
        UsageError: The name has another form.
        DataError: The set does not exist, there is no network, or the preparation fails.
    """
    if not is_set_name(name):
        what = f"{name!r} is not a name in tensorflow-datasets"
        raise UsageError(what, expected="name, name/config, name:version or name/config:version")
    folder_of_all = data_folder(data_dir)
    found = find_prepared(folder_of_all, SetName.parse(name))
    hint = "run the command on a machine with a network, and copy the folder here"
    folder = found or download(name, folder_of_all, instead=hint)
    # A set that dlrun cannot train on is still fetched, so the reason is a part of the result.
    try:
        read_prepared(folder)
        unusable = ""
    except DataError as error:
        unusable = error.what
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Fetched(name, folder, folder_of_all, count_examples(folder), size, found is not None, unusable)
