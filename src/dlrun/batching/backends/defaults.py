"""Read the user's own defaults: what `dlrun batch`, `search` and `auto` do unless an option says otherwise.

They are in `~/.config/dlrun/defaults.yaml`, which nobody has to have:

    engine: {on: "ray://head.example.org:10001", gpus_per_run: 0.5}

The file is checked like a spec. Nothing in it changes the result of a run, so nothing of it is part of a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from dlrun.batching.backends.backend import Placement
from dlrun.batching.backends.choose import name_of
from dlrun.batching.backends.slurm.options import parse_options
from dlrun.component import Fields
from dlrun.errors import Problem, SpecError, UsageError
from dlrun.spec.validate import validate
from dlrun.system.disk import disk, explained
from dlrun.system.user_folders import config_folder
from dlrun.yaml_tree.document import Node
from dlrun.yaml_tree.source import MAX_BYTES, read_yaml

_NAME = "defaults.yaml"


class EngineKeys(Fields):
    """Where runs are trained, and what each of them needs. A bare name is short for `{on: name}`."""

    on: str = Field(default="local", description="As the option --on.")
    gpus_per_run: float | None = Field(default=None, ge=0, description="As the option --gpus-per-run.")
    cpus_per_run: float | None = Field(default=None, gt=0, description="As the option --cpus-per-run.")
    slurm: str = Field(default="", description="As the option --slurm: partition=gpu,time=4:00:00.")


class DefaultKeys(Fields):
    """The keys of the file."""

    engine: EngineKeys = Field(default=EngineKeys(), description="Where batch, search and auto train their runs.")


def choose_placement(
    on: str | None = None,
    *,
    gpus_per_run: float | None = None,
    cpus_per_run: float | None = None,
    slurm: Sequence[str] = (),
) -> Placement:
    """Return where to train: as the options say, else as the user's defaults say, else on this machine.

    Args:
        on: The value of `--on`. With it, the section `engine` of the defaults is not used.
        gpus_per_run: The value of `--gpus-per-run`.
        cpus_per_run: The value of `--cpus-per-run`.
        slurm: The values of `--slurm`, which come in place of those in the defaults.

    Raises:
        SpecError: The file with the defaults is wrong.
    """
    chosen = Placement(on) if on is not None else _default_placement()
    if gpus_per_run is not None:
        chosen = replace(chosen, gpus_per_run=gpus_per_run)
    if slurm:
        chosen = replace(chosen, slurm=tuple(slurm))
    return chosen if cpus_per_run is None else replace(chosen, cpus_per_run=cpus_per_run)


def _default_placement() -> Placement:
    path = config_folder() / _NAME
    if not path.exists():
        return Placement()
    engine = read_defaults(path).engine
    origin = f"from {path}" if engine.on != "local" else ""
    slurm = (engine.slurm,) if engine.slurm else ()
    return Placement(engine.on, engine.gpus_per_run, engine.cpus_per_run, origin, slurm)


def read_defaults(path: Path) -> DefaultKeys:
    """Read the file with the defaults.

    Args:
        path: The file.

    Raises:
        SpecError: Every mistake in it.
        RunError: It cannot be read.
    """
    with explained(f"read {path}"):
        content = disk.read_file(path, largest=MAX_BYTES)
    if not any(line.strip() and not line.lstrip().startswith(b"#") for line in content.splitlines()):
        return DefaultKeys()
    document, problems = read_yaml(path, content=content)
    engine = document.child("engine")
    if engine is not None and isinstance(engine.value, str):
        document.entries["engine"] = Node({"on": engine}, engine.place, {"on": engine.place})
    found, wrong = validate(document, DefaultKeys, where="the defaults")
    on = document.at(("engine", "on"))
    if isinstance(on.value, str):
        try:
            name_of(on.value)
        except UsageError as error:
            wrong.append(on.place.problem(error.what, expected=error.expected, hint=error.hint))
    wrong.extend(_sbatch_problems(document))
    if found is None or problems or wrong:
        raise SpecError([*problems, *wrong])
    return found


def _sbatch_problems(document: Node) -> list[Problem]:
    options = document.at(("engine", "slurm"))
    try:
        parse_options([options.value] if isinstance(options.value, str) and options.value else [])
    except UsageError as error:
        return [options.place.problem(error.what, expected=error.expected, hint=error.hint)]
    return []
