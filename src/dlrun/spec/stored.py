"""The spec of a run that exists, read with as much trust as the run deserves."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from dlrun.errors import RunError, UsageError
from dlrun.runs.folder import RunFolder
from dlrun.runs.provenance.trust import is_own, refuse_unusual_files
from dlrun.spec.parse import SpecFile, Trust, read_spec
from dlrun.system.disk import disk, explained
from dlrun.yaml_tree.source import MAX_BYTES

USED = (
    "model", "loss", "optimizer", "plugins", "dataset.corrupt", "dataset.unknown_categories", "dataset.header",
    "dataset.standard_input", "dataset.names", "training.device", "training.evaluation_batch_size",
    "training.early_stopping",
)  # fmt: skip
"""The keys that change what a trained model gives for a file: which model and checkpoint it is, how files are read."""


def refuse_unused(overrides: Iterable[str], *, used: Iterable[str], purpose: str) -> None:
    """Refuse overrides of keys that have no effect: whoever sets one believes that it has.

    Args:
        overrides: `key=value` each.
        used: Keys, or groups of keys, that have one.
        purpose: On what they have none.

    Raises:
        UsageError: Names the first.
    """
    for override in overrides:
        key = override.partition("=")[0].strip() + "."
        if not any(key.startswith(f"{each}.") or f"{each}.".startswith(key) for each in used):
            raise UsageError(f"--set {override} changes nothing about {purpose}", expected="one of " + ", ".join(used))


def read_stored_spec(
    folder: RunFolder,
    overrides: tuple[str, ...] = (),
    *,
    trust_plugins: bool = False,
    looks_at_data: bool = True,
    trains: bool = False,
) -> SpecFile:
    """Read the spec of a run.

    A run that was made here is trusted as its config was. One that came from elsewhere gets neither its plugins loaded,
    unless `trust_plugins`, nor its data paths opened, unless an override repeats them.

    Args:
        folder: The run.
        overrides: `key=value` each, as `--set` takes them.
        trust_plugins: Whether the plugins of a run from elsewhere, which are code, may be loaded.
        looks_at_data: Whether the data is asked for its shape; False, for what needs the trained model alone: it need
            not be there, and is not opened.
        trains: Whether it is to be trained: it is then refused what a new spec is.

    Raises:
        SpecError: The spec is wrong, or asks for what it is not trusted with.
        RunError: It has no spec.
        UsageError: It was changed since the run was trained, or something in a run from elsewhere is neither a file nor
            a folder.
    """
    if not folder.spec_yaml.exists():
        raise RunError(
            f"{folder.path} has no spec.yaml", expected="a folder that dlrun train made", hint="dlrun runs ls"
        )
    content = _read(folder)  # once: what is verified is what is parsed
    if is_own(folder, spec=content):
        own = Trust(looks_at_data=looks_at_data, repository=False, working_directory=False, trains=trains)
        return read_spec(folder.spec_yaml, overrides, trust=own, content=content)
    _refuse_changed(folder, content)
    refuse_unusual_files(folder)
    trust = Trust(
        plugins=trust_plugins,
        data=False,
        looks_at_data=looks_at_data,
        plugins_within=folder.plugins,
        repository=False,
        working_directory=False,
        trains=trains,
    )
    return read_spec(folder.spec_yaml, overrides, trust=trust, content=content)


def _read(folder: RunFolder) -> bytes:
    """What spec.yaml holds, or the beginning of one that is larger than any is."""
    with explained(f"read {folder.spec_yaml}"):
        try:
            return disk.read_file(folder.spec_yaml, limit=MAX_BYTES + 1)
        except OSError:
            refuse_unusual_files(folder)  # which says more of a link or a pipe
            raise


def _refuse_changed(folder: RunFolder, content: bytes) -> None:
    """Refuse a spec that is not the one that the run was trained with: what is built from it is another model.

    Raises:
        UsageError: `run.json` has the sum of another one.
    """
    recorded = folder.read_record().spec_sha256
    is_whole = len(content) <= MAX_BYTES  # else it is too large for a spec, which parsing says
    if recorded is not None and is_whole and sha256(content).hexdigest() != recorded:
        raise UsageError(
            f"{folder.spec_yaml} is not what the run was trained with",
            expected="the file as dlrun wrote it",
            hint="--set changes what may be changed; dlrun train makes a new run of an edited spec",
        )
