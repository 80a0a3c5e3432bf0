"""Store the sha256 of every file that results depend on in `run.json`, and refuse files that were changed since.

`spec.yaml` has a checksum and a signature of its own. Each checkpoint is verified by its manifest, and the checksum of
the manifest is stored here. Runs of earlier versions have no checksums and are read without them, and so are the files
that a run is still writing.
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
    """Compare the content of a file with the checksum in `run.json`; without a checksum, any content is accepted.

    Args:
        folder: The folder of the run.
        path: One of its files.
        data: The whole content of the file.
        hint: What to try, besides restoring the file from a copy.

    Raises:
        RunError: The content has changed.
    """
    expected = read_record(folder / _RUN_JSON).files_sha256.get(sum_key(folder, path))
    if expected is not None and (found := sha256(data).hexdigest()) != expected:
        raise RunError(
            f"{path} is damaged, or was changed after the run wrote it: its sha256 is {found}",
            expected=f"{expected}, as in {_RUN_JSON}",
            hint=_hint(folder, hint),
        )


def check_presence(folder: Path, path: Path, *, hint: str = "") -> None:
    """Raise an error if a file that the run had is missing.

    Args:
        folder: The folder of the run.
        path: One of its files.
        hint: What to try, besides restoring the file from a copy.

    Raises:
        RunError: `run.json` has a checksum of the file, but the file does not exist.
    """
    if not disk.exists(path) and sum_key(folder, path) in read_record(folder / _RUN_JSON).files_sha256:
        raise RunError(
            f"{path} is missing",
            expected=f"the file that {_RUN_JSON} has a checksum of",
            hint=_hint(folder, hint),
        )


def checkpoint_sums(checkpoints: Path) -> dict[str, str]:
    """Return the sha256 of the manifest of each checkpoint; it covers all other files. Damaged ones are omitted."""
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
    """Return the sha256 of a checkpoint's manifest; None if it cannot be read."""
    try:
        return sha256(disk.read_file(settled(checkpoint) / _MANIFEST, largest=_LARGEST_MANIFEST)).hexdigest()
    except OSError:
        return None


def _hint(folder: Path, other: str) -> str:
    return f"restore it from a copy; {other or f'dlrun train {folder / _SPEC_YAML} trains the model again'}"


def sum_key(folder: Path, path: Path) -> str:
    """Return the key of a file in the `files_sha256` of `run.json`."""
    return path.relative_to(folder).as_posix()
