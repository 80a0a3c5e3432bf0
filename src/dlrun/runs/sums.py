"""The sha256 of every file that a result of a run depends on, kept in `run.json`: a changed file is refused.

`spec.yaml` has a sum and a signature of its own, and each checkpoint is verified by its manifest, whose sum is here. A
run of a version that kept no sums is read without them. While a run is trained there are none of what it still writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.errors import RunError
from dlrun.system.disk import disk
from dlrun.system.staging import settled, settled_names

if TYPE_CHECKING:
    from dlrun.runs.folder import RunFolder

_MANIFEST = "manifest.json"
_LARGEST_MANIFEST = 1 << 16


def check_sum(folder: RunFolder, path: Path, data: bytes, *, hint: str = "") -> None:
    """Compare what was read of a file with the sum in `run.json`; without one every content passes.

    Args:
        folder: The run.
        path: One of its files.
        data: All that the file holds.
        hint: What to try, besides putting it back.

    Raises:
        RunError: It is another one.
    """
    expected = folder.read_record().files_sha256.get(_key(folder, path))
    if expected is not None and (found := sha256(data).hexdigest()) != expected:
        raise RunError(
            f"{path} is damaged, or was changed after the run wrote it: its sha256 is {found}",
            expected=f"{expected}, as {folder.run_json.name} has it",
            hint=_hint(folder, hint),
        )


def check_presence(folder: RunFolder, path: Path, *, hint: str = "") -> None:
    """Refuse to do without a file that the run had.

    Args:
        folder: The run.
        path: One of its files.
        hint: What to try, besides putting it back.

    Raises:
        RunError: `run.json` has a sum of it, and it is not there.
    """
    if not disk.exists(path) and _key(folder, path) in folder.read_record().files_sha256:
        raise RunError(
            f"{path} is missing",
            expected=f"the file that {folder.run_json.name} has a sum of",
            hint=_hint(folder, hint),
        )


def record_sums(folder: RunFolder, sums: Mapping[Path, str | None]) -> None:
    """Put the sums of some of a run's files into `run.json`; None takes one out.

    Raises:
        RunError: It cannot be written.
    """
    kept = dict(folder.read_record().files_sha256)
    for path, found in sums.items():
        kept.pop(_key(folder, path), None)
        if found is not None:
            kept[_key(folder, path)] = found
    folder.update_record(files_sha256=kept)


def checkpoint_sums(folder: RunFolder) -> dict[str, str]:
    """The sum of each checkpoint's manifest, which holds the sums of all else in it; damaged ones have none."""
    sums = {}
    try:
        names = sorted(settled_names(folder.checkpoints))
    except OSError:
        return {}
    for name in names:
        if not name.startswith(".") and (found := manifest_sum(folder.checkpoints / name)) is not None:
            sums[name] = found
    return sums


def manifest_sum(checkpoint: Path) -> str | None:
    """The sha256 of a checkpoint's manifest; None if there is none that can be read."""
    try:
        return sha256(disk.read_file(settled(checkpoint) / _MANIFEST, largest=_LARGEST_MANIFEST)).hexdigest()
    except OSError:
        return None


def _hint(folder: RunFolder, other: str) -> str:
    return f"put it back from a copy; {other or f'dlrun train {folder.spec_yaml} trains the run again'}"


def _key(folder: RunFolder, path: Path) -> str:
    return path.relative_to(folder.path).as_posix()
