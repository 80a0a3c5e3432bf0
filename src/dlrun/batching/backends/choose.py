"""Choose a backend by its name, the value of `--on`. Each is imported only when it is asked for."""

from __future__ import annotations

from contextlib import AbstractContextManager

from dlrun.batching.backends.backend import Backend, BackendRequest, Placement
from dlrun.batching.backends.local import check_local, open_local
from dlrun.errors import UsageError
from dlrun.names import nearest

BACKENDS = {
    "local": "this machine",
    "ray": "a Ray cluster; ray://HOST:PORT for one elsewhere",
    "slurm": "the queue of a Slurm cluster",
    "job-yaml": "a Kubernetes Job, printed by dlrun batch",
}
"""Every value of `--on` without its address, and what it is."""
_WITH_ADDRESS = ("ray",)
"""Those that may have an address."""


def check_placement(placement: Placement, *, jobs: int | None) -> None:
    """Check, before anything is read or started, that a backend exists and takes its options.

    Args:
        placement: Where to train, and what each run needs.
        jobs: How many runs train at a time; None for what suits the backend.

    Raises:
        UsageError: There is no such backend, an option means nothing for it, or what it needs is not installed.
    """
    name = name_of(placement.on)
    if placement.slurm and name != "slurm":
        raise UsageError(f"--slurm means nothing with --on {name}", expected="--on slurm")
    match name:
        case "ray":
            from dlrun.batching.backends.on_ray.backend import check_ray

            check_ray(placement, jobs=jobs)
        case "slurm":
            from dlrun.batching.backends.slurm.backend import check_slurm

            check_slurm(placement, jobs=jobs)
        case "job-yaml":
            raise UsageError("--on job-yaml trains nothing", expected="dlrun batch, which prints the Job of its runs")
        case _:
            check_local(placement, jobs=jobs)


def open_backend(request: BackendRequest) -> AbstractContextManager[Backend]:
    """Return the context in which a backend, whose placement was checked, can train runs.

    Args:
        request: What the backend has to know.

    Raises:
        UsageError: It has no place for one of the runs.
        RunError: It cannot be reached, or one of its machines lacks what the runs need.
    """
    match name_of(request.placement.on):
        case "ray":
            from dlrun.batching.backends.on_ray.backend import open_ray

            return open_ray(request)
        case "slurm":
            from dlrun.batching.backends.slurm.backend import open_slurm

            return open_slurm(request)
        case _:
            return open_local(request)


def name_of(on: str) -> str:
    """Return the name of a backend from a value of `--on`, which may be an address.

    Args:
        on: The value, such as `local`.

    Raises:
        UsageError: There is no such backend.
    """
    name, mark, address = on.partition("://")
    if name not in BACKENDS or (mark and not (address and name in _WITH_ADDRESS)):
        near = nearest(name, tuple(BACKENDS))
        hint = f"did you mean {near!r}?" if near and name != near else ""
        known = ", ".join(f"{each} ({what})" for each, what in BACKENDS.items())
        raise UsageError(f"there is no engine {on!r} to train runs on", expected=f"one of {known}", hint=hint)
    return name
