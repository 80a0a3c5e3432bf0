"""The name of a set of tensorflow-datasets in; its prepared folder out, downloaded unless it is there already."""

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
        name: As it was asked for.
        folder: Of its version.
        data_dir: The folder of all sets.
        splits: Examples of each.
        size: Bytes of its files.
        was_there: Whether it had been prepared before.
        unusable: Why a spec cannot name it; empty if it can.
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
        """What has to be copied to have it elsewhere: all configs and versions of the set."""
        return self.data_dir / SetName.parse(self.name).name

    @property
    def usage(self) -> str:
        """What a spec says, and what has to be set for it to be found."""
        said = f"dataset: {{type: tfds, name: {self.name}}}"
        is_usual = self.data_dir.resolve() == data_folder(None).resolve()
        return said if is_usual else f"{said}, with TFDS_DATA_DIR={self.data_dir.resolve()} or data_dir in the spec"

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
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
        name: As tensorflow-datasets calls it.
        data_dir: Where it is to lie; None: `TFDS_DATA_DIR`, else tensorflow-datasets' own default.

    Raises:
        UsageError: That is no name of a set.
        DataError: There is no such set, no network, or preparing it fails.
    """
    if not is_set_name(name):
        said = f"{name!r} is not how tensorflow-datasets calls a set"
        raise UsageError(said, expected="name, name/config, name:version or name/config:version")
    folder_of_all = data_folder(data_dir)
    found = find_prepared(folder_of_all, SetName.parse(name))
    hint = "run it again where there is a network, and copy the folder here"
    folder = found or download(name, folder_of_all, instead=hint)
    try:
        read_prepared(folder)
        unusable = ""
    except DataError as error:
        unusable = error.what
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Fetched(name, folder, folder_of_all, count_examples(folder), size, found is not None, unusable)
