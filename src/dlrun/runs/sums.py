"""The sha256 of every file that a result of a run depends on, kept in `run.json`: a changed file is refused.

`spec.yaml` has a sum and a signature of its own, and each checkpoint is verified by its manifest, whose sum is here. A
run of a version that kept no sums is read without them. While a run is trained there are none of what it still writes.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from dlrun.errors import RunError
from dlrun.runs.record import read_record
from dlrun.system.disk import disk
from dlrun.system.staging import settled, settled_names

_RUN_JSON, _SPEC_YAML, _MANIFEST = "run.json", "spec.yaml", "manifest.json"
_LARGEST_MANIFEST = 1 << 16


def check_sum(folder: Path, path: Path, data: bytes, *, hint: str = "") -> None:
    """Compare what was read of a file with the sum in `run.json`; without one every content passes.

    Args:
        folder: The folder of the run.
        path: One of its files.
        data: All that the file holds.
        hint: What to try, besides putting it back.

    Raises:
        RunError: It is another one.
    """
    expected = read_record(folder / _RUN_JSON).files_sha256.get(sum_key(folder, path))
    if expected is not None and (found := sha256(data).hexdigest()) != expected:
        raise RunError(
            f"{path} is damaged, or was changed after the run wrote it: its sha256 is {found}",
            expected=f"{expected}, as {_RUN_JSON} has it",
            hint=_hint(folder, hint),
        )


def check_presence(folder: Path, path: Path, *, hint: str = "") -> None:
    """Refuse to do without a file that the run had.

    Args:
        folder: The folder of the run.
        path: One of its files.
        hint: What to try, besides putting it back.

    Raises:
        RunError: `run.json` has a sum of it, and it is not there.
    """
    if not disk.exists(path) and sum_key(folder, path) in read_record(folder / _RUN_JSON).files_sha256:
        raise RunError(
            f"{path} is missing",
            expected=f"the file that {_RUN_JSON} has a sum of",
            hint=_hint(folder, hint),
        )


def checkpoint_sums(checkpoints: Path) -> dict[str, str]:
    """The sum of each checkpoint's manifest, which holds the sums of all else in it; damaged ones have none."""
    sums = {}
    try:
        names = sorted(settled_names(checkpoints))
    except OSError:
        return {}
    for name in names:
        if not name.startswith(".") and (found := manifest_sum(checkpoints / name)) is not None:
            sums[name] = found
    return sums


def manifest_sum(checkpoint: Path) -> str | None:
    """The sha256 of a checkpoint's manifest; None if there is none that can be read."""
    try:
        return sha256(disk.read_file(settled(checkpoint) / _MANIFEST, largest=_LARGEST_MANIFEST)).hexdigest()
    except OSError:
        return None


def _hint(folder: Path, other: str) -> str:
    return f"put it back from a copy; {other or f'dlrun train {folder / _SPEC_YAML} trains the run again'}"


def sum_key(folder: Path, path: Path) -> str:
    """Return the key of a file in the `files_sha256` of `run.json`."""
    return path.relative_to(folder).as_posix()
