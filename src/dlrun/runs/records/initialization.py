"""What a model starts from, if not from random weights alone."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class InitializationRecord(BaseModel):
    """Weights that were learned before, and what of the model got them.

    Args:
        source: `imagenet`, `file`, or `run`.
        place: The file, or the id of the run.
        sha256: The sha256 of the file, or the `weights_sha256` of the run.
        checkpoint: The name of the checkpoint that was read, for a run.
        taken: The variables that were taken over.
        left: Why each of the others was not, by its name.
    """

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())

    source: Literal["imagenet", "file", "run"]
    place: str
    sha256: str
    checkpoint: str | None = None
    taken: tuple[str, ...] = ()
    left: dict[str, str] = {}
