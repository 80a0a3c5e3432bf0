"""The spec of a run that exists, read with as much trust as the run deserves."""

from __future__ import annotations

from collections.abc import Iterable

from dlrun.errors import RunError, UsageError
from dlrun.runs.folder import RunFolder
from dlrun.runs.trust import is_own, refuse_unusual_files
from dlrun.spec.parse import SpecFile, Trust, read_spec

USED = (
    "model", "loss", "optimizer", "plugins", "dataset.corrupt", "training.device", "training.evaluation_batch_size",
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
        UsageError: Something in a run from elsewhere is neither a file nor a folder.
    """
    if not folder.spec_yaml.exists():
        raise RunError(
            f"{folder.path} has no spec.yaml", expected="a folder that dlrun train made", hint="dlrun runs ls"
        )
    if is_own(folder):
        own = Trust(looks_at_data=looks_at_data, repository=False, working_directory=False, trains=trains)
        return read_spec(folder.spec_yaml, overrides, trust=own)
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
    return read_spec(folder.spec_yaml, overrides, trust=trust)
