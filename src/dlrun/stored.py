"""The spec of a run that exists, read with as much trust as the run deserves."""

from __future__ import annotations

from dlrun.errors import RunError
from dlrun.runs.folder import RunFolder
from dlrun.runs.trust import is_own, refuse_unusual_files
from dlrun.spec.parse import SpecFile, Trust, read_spec


def read_stored_spec(
    folder: RunFolder, overrides: tuple[str, ...] = (), *, trust_plugins: bool = False, looks_at_data: bool = True
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
        return read_spec(folder.spec_yaml, overrides, trust=Trust(looks_at_data=looks_at_data, repository=False))
    refuse_unusual_files(folder)
    trust = Trust(
        plugins=trust_plugins,
        data=False,
        looks_at_data=looks_at_data,
        plugins_within=folder.plugins,
        repository=False,
    )
    return read_spec(folder.spec_yaml, overrides, trust=trust)
