"""The messages between the processes of a batch: one JSON object per line, short enough to be written in one piece."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from dlrun.experiment.trial import Trial
from dlrun.runs.record import IdentityRecord

# Writes to a pipe of at least 512 bytes (POSIX), or 4096 (Linux), are atomic: lines of two processes do not mix.
_LONGEST_TEXT = 300


@dataclass(frozen=True)
class Request:
    """A request to train a run.

    Args:
        number: The number of the run in its batch.
        config: The path of its YAML file.
        overrides: `key=value` pairs.
        runs_dir: The folder for runs.
        identity: The identity of the run when the batch started; if it has changed, that is an error.
        since: When a run must have started to count as this one, in seconds since 1970.
        gpu: The GPU that the run may see; None for the same as this process.
        anew: Whether to train from the start although there is an interrupted run, because it cannot be resumed.
        trust_plugins: Whether to load the plugins of a run that was made elsewhere, if the config is in its folder.
        trial: The role of the run as a trial of a search; None for a run of a batch.
        moves: Whether the run may go on, and be complete, on another kind of machine than it began on: on a cluster.
    """

    number: int
    config: str
    overrides: tuple[str, ...]
    runs_dir: str
    identity: dict[str, str]
    since: float = 0.0
    gpu: str | None = None
    anew: bool = False
    trust_plugins: bool = False
    trial: Trial | None = None
    moves: bool = False

    def line(self) -> bytes:
        """Return the request as one line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Request:
        """Return the request from the content of its line."""
        trial = Trial(**content["trial"]) if content.get("trial") else None
        return cls(**{**content, "overrides": tuple(content["overrides"]), "trial": trial})

    def command(self) -> list[str]:
        """Return the command that trains this run by itself."""
        options = [part for override in self.overrides for part in ("--set", override)]
        trust = ["--trust-plugins"] if self.trust_plugins else []
        return ["dlrun", "train", self.config, *options, *trust, "--runs-dir", self.runs_dir]

    def identity_record(self) -> IdentityRecord:
        """Return the identity as a record."""
        return IdentityRecord(**self.identity)


def send(pipe: int, **content: Any) -> None:
    """Send a message; do nothing if the reader has ended."""
    short = {key: value[:_LONGEST_TEXT] if isinstance(value, str) else value for key, value in content.items()}
    with suppress(OSError):
        os.write(pipe, json.dumps(short).encode() + b"\n")


class Lines:
    """The complete messages that have arrived through a pipe."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._rest = b""
        self.is_open = True

    def read(self) -> list[dict[str, Any]]:
        """Return the messages that have arrived, after waiting for some if there are none."""
        data = os.read(self._pipe, 1 << 16)
        self.is_open = bool(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in whole]
