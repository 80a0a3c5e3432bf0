"""The trust in a spec: what the spec of another user may not choose, such as code to load and files to read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.data import Source
from dlrun.errors import SpecError
from dlrun.models import Model
from dlrun.runs.enclosing import folder_around
from dlrun.spec.types import Draft
from dlrun.spec.validate import shown
from dlrun.system.disk import disk
from dlrun.yaml_tree.composition.bases import ANYWHERE, Reach
from dlrun.yaml_tree.document import Node
from dlrun.yaml_tree.override import ORIGIN as OVERRIDE
from dlrun.yaml_tree.source import MAX_BYTES

if TYPE_CHECKING:
    from dlrun.runs.folder import RunFolder


@dataclass(frozen=True)
class Trust:
    """The trust in a spec, which may come from another user.

    Args:
        plugins: Whether to load the files under `plugins:`, which are code.
        data: Whether the spec may choose data files and a tracker. If False, only an override may.
        looks_at_data: Whether to read the description of the data. If False, no data file is opened.
        plugins_within: Folder that must contain the plugins; None for any place.
        repository: Whether to run git in the folder of the spec, where the settings of a repository can run programs.
        working_directory: Whether to look for plugins in the working directory too. Those of a run are copies in its
            folder.
        trains: Whether the spec will be trained. If False, problems that matter only for training are ignored.
        is_stored: Whether it is the spec.yaml of a run, which lists every key of the version that wrote it.
        reach: Which files the spec may be based on.
        reads_environment: Whether its values may contain variables of the environment.
    """

    plugins: bool = True
    data: bool = True
    looks_at_data: bool = True
    plugins_within: Path | None = None
    repository: bool = True
    working_directory: bool = True
    trains: bool = True
    is_stored: bool = False
    reach: Reach = ANYWHERE
    reads_environment: bool = True


OWN = Trust()


def trust_in(path: Path, *, trust_plugins: bool) -> tuple[Trust, bytes | None]:
    """Return the trust in a file according to its folder, and its content if that was verified.

    The spec.yaml in the run folder of another user can be given to any command, so it must not get more trust.

    Args:
        path: Path of the YAML file.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere.
    """
    around, content = folder_around(path), None
    if around is None:
        return OWN, None
    from dlrun.runs.folder import RunFolder
    from dlrun.runs.provenance.trust import is_own

    run = RunFolder(around)
    is_its_spec = os.path.realpath(path) == os.path.realpath(run.spec_yaml)
    if is_its_spec:
        with suppress(OSError):
            # Read once, so that the verified bytes are the parsed ones.
            content = disk.read_file(path, limit=MAX_BYTES + 1)
    if is_own(run, spec=content):
        reach = Reach(kept=_kept_bases(path, run))
        return Trust(plugins_within=None if is_its_spec else run.plugins, is_stored=is_its_spec, reach=reach), content
    foreign = Trust(
        plugins=trust_plugins,
        data=False,
        plugins_within=run.plugins,
        repository=False,
        working_directory=False,
        is_stored=is_its_spec,
        reach=Reach(within=run.path, kept=_kept_bases(path, run)),
        reads_environment=False,
    )
    return foreign, content


def _kept_bases(path: Path, run: RunFolder) -> Path | None:
    """Return the folder with the copies of the bases if the file is the copy of the config in a run folder."""
    is_its_config = os.path.realpath(path) == os.path.realpath(run.config_yaml)
    return run.bases if is_its_config else None


def refuse_reach(dataset: Source, document: Node) -> None:
    """Reject a spec from elsewhere that chooses files to read, unless the user chose them with an override.

    Args:
        dataset: The dataset of the spec.
        document: The document that it was parsed from.

    Raises:
        SpecError: The spec chooses files. No file was opened.
    """
    _refuse("dataset", {key: getattr(dataset, key) for key in dataset.reach_keys}, document)


def refuse_model_files(model: Model, document: Node) -> None:
    """Reject a spec from elsewhere whose model reads files, unless the user chose them with an override.

    Args:
        model: The model of the spec.
        document: The document that it was parsed from.

    Raises:
        SpecError: The spec chooses files. No file was opened.
    """
    _refuse("model", model.files(), document)


def _refuse(section: str, values: Mapping[str, Any], document: Node) -> None:
    problems = []
    for key, value in values.items():
        place = document.place_of((section, key))
        if value and place.origin != OVERRIDE:
            what = f"this run was made elsewhere, so its {section}.{key} ({shown(value)}) needs confirmation"
            problems.append(place.problem(what, hint=f"--set {section}.{key}=... with the value to use"))
    if problems:
        raise SpecError(problems)


def without_tracker(draft: Draft, document: Node) -> tuple[Draft, str]:
    """Remove the tracker of a spec from elsewhere, unless the user chose its address with an override.

    Args:
        draft: The valid parts of the spec.
        document: The document that they were parsed from.

    Returns:
        The draft, and the reason why its tracker is not used; empty if there is none, or it is used.
    """
    tracker = draft.tracking
    if tracker is None or all(document.place_of(("tracking", k)).origin == OVERRIDE for k in tracker.reach_keys):
        return draft, ""
    hint = f"choose one with --set tracking.{tracker.reach_keys[0]}=..."
    refused = f"none: this run was made elsewhere, so its {tracker.type_name} is not used; {hint}"
    return replace(draft, tracking=None), refused
