"""The spec of a run that exists, read with as much trust as the run deserves."""

from __future__ import annotations

from dlrun.runs.folder import RunFolder
from dlrun.runs.trust import is_own, refuse_links
from dlrun.spec.parse import SpecFile, Trust, read_spec


def read_stored_spec(folder: RunFolder, overrides: tuple[str, ...] = (), *, trust_plugins: bool = False) -> SpecFile:
    """Read the spec of a run.

    A run that was made here is trusted as its config was. One that came from elsewhere gets neither its plugins loaded,
    unless `trust_plugins`, nor its data paths opened, unless an override repeats them.

    Raises:
        SpecError: The spec is wrong, or asks for what it is not trusted with.
        UsageError: Something in a run from elsewhere points out of its folder.
    """
    if is_own(folder):
        return read_spec(folder.spec_yaml, overrides)
    refuse_links(folder)
    trust = Trust(plugins=trust_plugins, data=False, plugins_within=folder.plugins)
    return read_spec(folder.spec_yaml, overrides, trust=trust)
