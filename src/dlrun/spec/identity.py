"""Compute the identity of a run: digests of the spec, the code and the data files. Equal runs have equal digests.

- spec: every key as requested, including `auto`, with `--set` applied and all defaults filled in, but without the paths
  of the data and the plugins.
- code: the source of dlrun, the versions of Python and of the libraries that affect the numbers, and the source of the
  plugins. A plugin may import files next to it. With plugins, the digest therefore includes the commit of their
  repository and its uncommitted changes. Files that git does not track, other than plugins, are not noticed.
- data: path, size and modification time of each data file, which are known without reading it. Files that were moved or
  touched may still contain the same data; the fingerprint of their content then decides.

The fingerprint of the data, the choices made for `auto`, and the machine are in `run.json` too.
"""

from __future__ import annotations

import functools
import json
import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from dlrun.runs.provenance import machine as provenance
from dlrun.runs.provenance.repository import git_diff, git_state
from dlrun.runs.record import IdentityRecord
from dlrun.spec.added_keys import ADDED_KEYS, without_added
from dlrun.spec.measured import as_asked
from dlrun.spec.parse import SpecFile
from dlrun.spec.types import Spec


def identify(file: SpecFile) -> IdentityRecord:
    """Return the identity of a run, which determines its result, before the run exists."""
    return IdentityRecord(
        spec=_of_spec(file.spec),
        code=_of_code(file),
        data=_of_places((*file.spec.dataset.places(), *_model_files(file.spec))),
    )


def identify_fold(spec: Spec, whole: IdentityRecord) -> IdentityRecord:
    """Return the identity of the run of a fold, from that of the spec with all folds: code and data are the same.

    Args:
        spec: Spec of the run.
        whole: Identity of the spec that has the folds. Its data files need not be looked at again for each fold.
    """
    return whole.model_copy(update={"spec": _of_spec(spec)})


def identify_apart_from_seed(file: SpecFile, identity: IdentityRecord) -> str:
    """Return a digest of the identity without the seed. Runs with the same digest differ only in their seed.

    Args:
        file: Spec file. The name of the run is ignored too.
        identity: Identity of the run.
    """
    return _digest((_of_spec(replace(file.spec, name="", seed=0)), identity.code, identity.data))


def identify_apart_from_fold(file: SpecFile, identity: IdentityRecord) -> str:
    """Return a digest of the identity without the fold. Runs with the same digest are the folds of one spec.

    Args:
        file: Spec file of the run of a fold. The name of the run is ignored too.
        identity: Identity of the run.
    """
    fold = file.spec.dataset.fold
    first = None if fold is None else fold.model_copy(update={"index": 0, "repeat": 0})
    dataset = file.spec.dataset.model_copy(update={"fold": first})
    return _digest((_of_spec(replace(file.spec, name="", dataset=dataset)), identity.code, identity.data))


def _of_spec(spec: Spec) -> str:
    plain = as_asked(spec.plain(), spec.measured)
    sections = {name: without_added(name, plain[name]) for name in ADDED_KEYS}
    for key in spec.dataset.place_keys:
        sections["dataset"].pop(key, None)
    for key in spec.model.files():
        sections["model"].pop(key, None)
    # Plugins count by their content, which is part of the code, and not by their path.
    return _digest({**plain, **sections, "plugins": None})


def _model_files(spec: Spec) -> tuple[Path, ...]:
    return tuple(Path(path).expanduser() for path in spec.model.files().values())


def _of_code(file: SpecFile) -> str:
    plugins = [Path(plugin) for plugin in file.spec.plugins]
    parts: dict[str, Any] = {"versions": provenance.versions(), "dlrun": own_source()}
    parts["plugins"] = [sha256(plugin.read_bytes()).hexdigest() for plugin in plugins]
    # Git runs only in a folder that is trusted, because the settings of a repository can run programs.
    if file.trust.repository:
        parts["git"] = [_of_repository(folder) for folder in sorted({plugin.parent for plugin in plugins})]
    return _digest(parts)


def _of_repository(folder: Path) -> tuple[Any, str]:
    git = git_state(folder) or {}
    return git.get("commit"), git_diff(folder) if git.get("dirty") else ""


@functools.cache
def own_source() -> str:
    """Return a digest of dlrun's source; the version alone does not change during development."""
    package, digest = Path(__file__).parents[1], sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)} ".encode() + sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _of_places(places: tuple[Path, ...]) -> str:
    return _digest([(str(place), _files_in(place)) for place in map(Path.absolute, places)])


def _files_in(place: Path) -> list[tuple[str, int, int]]:
    """Return path, size and modification time of each file in a folder or of a file; zeros if it does not exist."""
    found = []
    for folder, below, names in os.walk(place):
        below.sort()  # the order of os.walk depends on the file system
        found += [_stamp(os.path.join(folder, name)) for name in sorted(names)]  # noqa: PTH118  fast for a million files
    # os.walk yields nothing for a file, nor for a place that does not exist.
    return found or [_stamp(str(place))]


def _stamp(path: str) -> tuple[str, int, int]:
    try:
        seen = os.stat(path)  # noqa: PTH116
    except OSError:
        return path, 0, 0
    return path, seen.st_size, seen.st_mtime_ns


def _digest(parts: Any) -> str:
    return sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
