"""Read the spec of an existing run, with trust that depends on where the run was created."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from dlrun.errors import RunError, UsageError
from dlrun.runs.folder import RunFolder
from dlrun.runs.provenance.trust import is_own, refuse_unusual_files
from dlrun.spec.parse import SpecFile, read_spec
from dlrun.spec.trust import Trust
from dlrun.system.disk import disk, explained
from dlrun.yaml_tree.source import MAX_BYTES

USED = (
    "model", "loss", "optimizer", "plugins", "dataset.corrupt", "dataset.unknown_categories", "dataset.header",
    "dataset.standard_input", "dataset.names", "training.device", "training.evaluation_batch_size",
    "training.early_stopping",
)  # fmt: skip
"""Keys that affect the output of a trained model for a file: its model, its checkpoint, and how files are read."""


def refuse_unused(overrides: Iterable[str], *, used: Iterable[str], purpose: str) -> None:
    """Reject overrides without effect, because users who set them expect one.

    Args:
        overrides: Overrides of the form `key=value`.
        used: Keys, or groups of keys, with an effect.
        purpose: Result that the overrides should affect, for the message.

    Raises:
        UsageError: An override has no effect; the message names the first.
    """
    for override in overrides:
        key = override.partition("=")[0].strip() + "."
        if not any(key.startswith(f"{each}.") or f"{each}.".startswith(key) for each in used):
            raise UsageError(f"--set {override} has no effect on {purpose}", expected="one of " + ", ".join(used))


def read_stored_spec(
    folder: RunFolder,
    overrides: tuple[str, ...] = (),
    *,
    trust_plugins: bool = False,
    looks_at_data: bool = True,
    trains: bool = False,
) -> SpecFile:
    """Read the spec of a run.

    A run that was created here is trusted like its config. For a run from elsewhere, plugins are loaded only with
    `trust_plugins`, and data paths are opened only if an override repeats them.

    Args:
        folder: Folder of the run.
        overrides: Overrides of the form `key=value`, as for `--set`.
        trust_plugins: Whether to load the plugins, which are code, of a run from elsewhere.
        looks_at_data: Whether to read the description of the data. False if only the trained model is needed; the data
            is then not opened and need not exist.
        trains: Whether the run will be trained, which requires the same checks as a new spec.

    Raises:
        SpecError: The spec is wrong, or needs more trust.
        RunError: The run has no spec.
        UsageError: The spec was changed after the training, a run from elsewhere contains something other than files
            and folders, or an override asks for folds.
    """
    if not folder.spec_yaml.exists():
        raise RunError(
            f"{folder.path} has no spec.yaml", expected="a folder written by dlrun train", hint="dlrun runs ls"
        )
    content = _read(folder)  # read once, so that the verified bytes are the parsed ones
    if is_own(folder, spec=content):
        own = Trust(
            looks_at_data=looks_at_data, repository=False, working_directory=False, trains=trains, is_stored=True
        )
        return _of_one_run(read_spec(folder.spec_yaml, overrides, trust=own, content=content), folder)
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
        is_stored=True,
    )
    return _of_one_run(read_spec(folder.spec_yaml, overrides, trust=trust, content=content), folder)


def _of_one_run(file: SpecFile, folder: RunFolder) -> SpecFile:
    if file.spec.folds is not None:
        what = f"{folder.id} is a single run, and folds are several runs"
        raise UsageError(what, expected="no section folds", hint=f"dlrun train {folder.config_yaml} --set folds=5")
    return file


def _read(folder: RunFolder) -> bytes:
    """Return the content of spec.yaml, truncated if it is too large for a spec."""
    with explained(f"read {folder.spec_yaml}"):
        try:
            return disk.read_file(folder.spec_yaml, limit=MAX_BYTES + 1)
        except OSError:
            refuse_unusual_files(folder)  # with a better message for a link or a pipe
            raise


def _refuse_changed(folder: RunFolder, content: bytes) -> None:
    """Reject a spec that was changed after the training, since it may describe another model.

    Raises:
        UsageError: The checksum in `run.json` differs.
    """
    recorded = folder.read_record().spec_sha256
    is_whole = len(content) <= MAX_BYTES  # a larger file is reported by the parser
    if recorded is not None and is_whole and sha256(content).hexdigest() != recorded:
        raise UsageError(
            f"{folder.spec_yaml} was changed after the training",
            expected="the unchanged file",
            hint="change keys with --set, or start a new run with dlrun train",
        )
