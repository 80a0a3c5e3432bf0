"""Check every node of a cluster before the first run: versions, storage, files, the user's secret and the clock."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from dlrun.batching.backends.backend import BackendRequest
from dlrun.batching.backends.on_ray.probe import Question
from dlrun.errors import RunError
from dlrun.runs.provenance.machine import versions
from dlrun.runs.provenance.trust import answer_challenge
from dlrun.spec.identity import own_source
from dlrun.system.disk import disk, explained

_FOLDER = ".batches"
_TESTED = ".seen-"
_OLD_SECONDS = 86400
_LARGEST_OFFSET = 60.0
"""By how many seconds clocks may differ without a word."""
_MOST_NAMED = 8
_TRAVELLING = (
    "TF_",
    "XLA_",
    "KERAS_",
    "OMP_",
    "ONEDNN_",
    "NVIDIA_TF32",
    "DLRUN_STATE",
    "DLRUN_CACHE",
    "DLRUN_LEASE_SECONDS",
)
"""Beginnings of the environment variables that runs get as if they trained on the driver's machine."""


def travelling_environment() -> tuple[tuple[str, str], ...]:
    """Return the environment variables that affect the result of a run or its trust, for the runs on all nodes."""
    return tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith(_TRAVELLING)))


@contextmanager
def token_written(runs_dir: Path) -> Iterator[tuple[str, str]]:
    """Write a file into the folder for runs that every node has to see; remove it after the block.

    Yields:
        Its path and its content.

    Raises:
        RunError: The folder is not writable.
    """
    folder, content = runs_dir.absolute() / _FOLDER, secrets.token_hex(16)
    path = folder / f"{_TESTED}{content}"
    with explained(f"write to {runs_dir}"):
        disk.make_folders(folder)
        _remove_old(folder)
        disk.write_atomically(path, content.encode())
    try:
        yield str(path), content
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _remove_old(folder: Path) -> None:
    """Remove what drivers have left that were killed."""
    for path in folder.glob(f"{_TESTED}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _OLD_SECONDS:
                path.unlink()


def question_for(request: BackendRequest, token: tuple[str, str], *, travels: bool) -> Question:
    """Return the question for the nodes.

    Args:
        request: The runs.
        token: The file in the folder for runs.
        travels: Whether Ray brings the working directory to the nodes.
    """
    folder = Path.cwd()
    plugins = (Path(plugin) for spec in request.specs for plugin in spec.plugins)
    paths = dict.fromkeys(Path(os.path.relpath(path, folder)) for path in (*request.configs, *plugins))
    files = tuple((str(path), sha256(path.read_bytes()).hexdigest()) for path in paths)
    environment = travelling_environment()
    return Question(token, None if travels else str(folder), files, environment, secrets.token_hex(16))


@dataclass(frozen=True)
class Answers:
    """What the nodes have answered.

    Args:
        question: The question.
        nodes: The answers; see `probe.answer_question`.
        offsets: By how many seconds the clock of each node is ahead.
    """

    question: Question
    nodes: Sequence[Mapping[str, Any]]
    offsets: Sequence[float]

    def check(self, request: BackendRequest) -> None:
        """Check everything but the files, which can be brought.

        Raises:
            RunError: A node differs from this machine, or does not see the folder for runs.
        """
        self._check_versions()
        runs_dir = request.runs_dir.absolute()
        if bad := [(each["node"], each["storage"]) for each in self.nodes if each["storage"]]:
            raise RunError(
                f"the runs go to {runs_dir}, but {_listed(f'{node} {why}' for node, why in bad)}",
                expected="a folder that all nodes and this machine share",
                hint="--runs-dir names one on shared storage, mounted at the same place on every node",
            )
        if full := [f"{each['node']} ({each['scratch']})" for each in self.nodes if each["scratch"]]:
            raise RunError(f"there is no room for temporary files on {_listed(full)}", expected="1 MiB, or TMPDIR set")
        own = answer_challenge(self.question.challenge)
        if strange := [each["node"] for each in self.nodes if each["secret"] != own]:
            raise RunError(
                f"the secret that signs your runs is not the same on {_listed(strange)}",
                expected="one secret, so that a run that one node has begun is trusted by the others",
                hint="DLRUN_STATE=FOLDER dlrun batch ... keeps it in a folder that all nodes share, which only you "
                "can read; or copy ~/.local/state/dlrun/secret to the nodes",
            )

    def strangers(self) -> list[str]:
        """Return the nodes that do not see the configs or plugins as they are here, each with a file."""
        return [f"{each['node']} ({each['files'][0]})" for each in self.nodes if each["files"]]

    def wrong_clocks(self) -> list[str]:
        """Return the nodes whose clock differs from the one here, with the difference."""
        named = zip(self.nodes, self.offsets, strict=True)
        return [f"{each['node']} ({offset:+.0f} s)" for each, offset in named if abs(offset) > _LARGEST_OFFSET]

    def _check_versions(self) -> None:
        """Compare Python, TensorFlow, Keras, NumPy and dlrun, its sources included, with those of this machine."""
        here, source = versions(), own_source()
        found: dict[str, list[str]] = {}
        for each in self.nodes:
            if "missing" in each:
                found.setdefault(f"cannot import dlrun ({each['missing']})", []).append(each["node"])
                continue
            differing = {name: there for name, there in each["versions"].items() if here.get(name) != there}
            for name, there in differing.items():
                found.setdefault(f"{name} {there} instead of {here.get(name)}", []).append(each["node"])
            for name in here.keys() - each["versions"].keys():
                found.setdefault(f"no {name}", []).append(each["node"])
            if not differing and each["source"] != source:
                found.setdefault(f"other sources of dlrun {here.get('dlrun')}", []).append(each["node"])
        if found:
            raise RunError(
                "not all nodes have what is installed here: "
                + "; ".join(f"{what} on {_listed(nodes)}" for what, nodes in found.items()),
                expected="the same Python, TensorFlow, Keras, NumPy and dlrun everywhere, for results that are equal",
                hint="install the same versions on the nodes, or start the nodes with one container image",
            )


def _listed(names: Iterable[str]) -> str:
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
