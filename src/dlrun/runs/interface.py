"""A run's `interface.json`: what goes into its model and what comes out."""

from __future__ import annotations

from dlrun.data.interface import Interface, parse_interface
from dlrun.errors import RunError
from dlrun.files.disk import disk, explained
from dlrun.runs.folder import RunFolder
from dlrun.runs.sums import check_presence, check_sum

_LARGEST_BYTES = 1 << 28  # vocabularies are in it


def read_interface(folder: RunFolder) -> Interface:
    """Read what goes into a run's model and what comes out, without TensorFlow.

    Raises:
        RunError: The run has not come far enough to have one, or it is damaged, or not what the run was trained with.
    """
    check_presence(folder, folder.interface_json)
    if not folder.interface_json.exists():
        raise RunError(
            f"{folder.path} has no {folder.interface_json.name}",
            expected="a run that has begun to train",
            hint=f"dlrun resume {folder.id}",
        )
    with explained(f"read {folder.interface_json}"):
        text = disk.read_file(folder.interface_json, largest=_LARGEST_BYTES)
    check_sum(folder, folder.interface_json, text)
    return parse_interface(text, origin=str(folder.interface_json))
