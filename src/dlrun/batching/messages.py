"""What the processes of a batch tell each other: one JSON object on a line, short enough to be written in one piece."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from dlrun.runs.record import IdentityRecord

# POSIX writes at least 512 bytes to a pipe in one piece, Linux 4096: the lines of two processes never mix.
_LONGEST_TEXT = 300


@dataclass(frozen=True)
class Request:
    """A run to be trained.

    Args:
        number: Of the run in its batch.
        config: Its YAML file.
        overrides: `key=value` each.
        runs_dir: Where its folder is made.
        identity: What it was when the batch began: another one is an error.
        since: When a run must have been started to count as this one, in seconds since 1970.
        gpu: The one that it sees; None: as this process.
        trust_plugins: Whether to load the plugins of a run that was not made here, in whose folder the config lies.
        anew: Whether to leave a run alone that was begun and cannot be gone on with.
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

    def line(self) -> bytes:
        """As it is sent."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Request:
        """As it was sent."""
        return cls(**{**content, "overrides": tuple(content["overrides"])})

    def identity_record(self) -> IdentityRecord:
        """The identity, typed."""
        return IdentityRecord(**self.identity)


def send(pipe: int, **content: Any) -> None:
    """Send a message; if whoever read has gone, there is nobody to tell."""
    short = {key: value[:_LONGEST_TEXT] if isinstance(value, str) else value for key, value in content.items()}
    with suppress(OSError):
        os.write(pipe, json.dumps(short).encode() + b"\n")


class Lines:
    """The messages that have come through a pipe, without those of which only a part has come yet."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._rest = b""
        self.is_open = True

    def read(self) -> list[dict[str, Any]]:
        """Read what is there, and wait for it if nothing is."""
        data = os.read(self._pipe, 1 << 16)
        self.is_open = bool(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in whole]
