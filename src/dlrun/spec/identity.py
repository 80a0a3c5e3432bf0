"""A spec in, what tells whether two runs are the same out: digests of the spec, of the code and of the data's files.

- spec: every key as it was asked for, `auto` included, with `--set` applied and every default filled in; without where
  the data and the plugins lie.
- code: dlrun's own source, the versions of Python and of the libraries that decide the numbers, and the plugins'
  source. A plugin may import what lies beside it, so with plugins also the commit of their repository and how the files
  there differ from it; a file that git does not know, and no plugin is, goes unnoticed.
- data: path, size and time of change of each file that the data is read from, which is known without reading it. Files
  that were moved or touched may be the same data all the same: then the fingerprint of what they hold decides.

What the data was, what was chosen for `auto`, and the machine are in `run.json` beside it.
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
from dlrun.spec.parse import SpecFile
from dlrun.spec.types import Spec


def identify(file: SpecFile) -> IdentityRecord:
    """Tell what decides the result of a run, before anything of it exists."""
    return IdentityRecord(spec=_of_spec(file.spec), code=_of_code(file), data=_of_places(file.spec.dataset.places()))


def identify_apart_from_seed(file: SpecFile, identity: IdentityRecord) -> str:
    """Tell what decides the result of a run besides its seed: runs that agree in it are seeds of one model.

    Args:
        file: The spec; its name decides nothing either.
        identity: Of the run.
    """
    return _digest((_of_spec(replace(file.spec, name="", seed=0)), identity.code, identity.data))


def _of_spec(spec: Spec) -> str:
    plain = spec.plain()
    dataset = {key: value for key, value in plain["dataset"].items() if key not in spec.dataset.place_keys}
    return _digest({**plain, "dataset": dataset, "plugins": None})


def _of_code(file: SpecFile) -> str:
    plugins = [Path(plugin) for plugin in file.spec.plugins]
    told: dict[str, Any] = {"versions": provenance.versions(), "dlrun": _own_source()}
    told["plugins"] = [sha256(plugin.read_bytes()).hexdigest() for plugin in plugins]
    if file.trust.repository:
        told["git"] = [_of_repository(folder) for folder in sorted({plugin.parent for plugin in plugins})]
    return _digest(told)


def _of_repository(folder: Path) -> tuple[Any, str]:
    git = git_state(folder) or {}
    return git.get("commit"), git_diff(folder) if git.get("dirty") else ""


@functools.cache
def _own_source() -> str:
    """Of dlrun as it is installed: one that is worked on keeps its version."""
    package, digest = Path(__file__).parents[1], sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)} ".encode() + sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _of_places(places: tuple[Path, ...]) -> str:
    return _digest([(str(place), _files_in(place)) for place in map(Path.absolute, places)])


def _files_in(place: Path) -> list[tuple[str, int, int]]:
    """Path, size and time of each file in a folder, or of the one file; zeros for what is not there."""
    found = []
    for folder, below, names in os.walk(place):
        below.sort()
        found += [_stamp(os.path.join(folder, name)) for name in sorted(names)]  # noqa: PTH118  of a million files
    return found or [_stamp(str(place))]


def _stamp(path: str) -> tuple[str, int, int]:
    try:
        seen = os.stat(path)  # noqa: PTH116
    except OSError:
        return path, 0, 0
    return path, seen.st_size, seen.st_mtime_ns


def _digest(told: Any) -> str:
    return sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()
