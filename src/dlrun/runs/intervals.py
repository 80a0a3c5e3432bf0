"""Store what prediction intervals need besides the model, so that predicting needs no validation data."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dlrun.errors import RunError
from dlrun.runs.folder import RunFolder
from dlrun.runs.sums import check_presence, check_sum, manifest_sum
from dlrun.scoring.conformal import ConformalScores
from dlrun.signature import Target
from dlrun.system.disk import disk, explained

_LARGEST_BYTES = 1 << 28
_DESCRIBED_LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class StoredIntervals:
    """The conformity scores of the validation split.

    Args:
        checkpoint: The name of the checkpoint that predicted the split.
        manifest_sha256: The sha256 of its manifest, which another checkpoint of the same name does not have.
        conformal: The scores, of values as the network learns them.
    """

    checkpoint: str
    manifest_sha256: str | None
    conformal: ConformalScores

    def is_of(self, folder: RunFolder, checkpoint: str) -> bool:
        """Return whether the scores were measured with a checkpoint of the run."""
        found = manifest_sum(folder.checkpoints / checkpoint)
        return checkpoint == self.checkpoint if self.manifest_sha256 is None else found == self.manifest_sha256


def describe_offsets(conformal: ConformalScores, target: Target) -> dict[str, Any]:
    """Describe intervals for programs that have only the predictions of a model.

    Args:
        conformal: The conformity scores of the validation split.
        target: What the model predicts.

    Returns:
        `offsets`, for each level the distance of the bounds of each value from the prediction, or from the outermost
        quantiles; `around`, from which of the two; and `unit`, where to add and subtract them. Empty for a
        transformation that cannot be written as a formula.
    """
    if target.transform == "quantile":
        return {}
    low, high = (conformal.pairs or ((0, 0),))[0]
    scale = target.scale or (1.0,) * target.size
    return {
        "examples": conformal.examples,
        "around": [target.levels[low], target.levels[high]] if conformal.pairs else "values",
        "unit": "value" if target.transform == "none" else f"{target.transform}(value)",
        "offsets": {
            f"{level:g}": [offset * each for offset, each in zip(conformal.offsets(level), scale, strict=True)]
            for level in _DESCRIBED_LEVELS
            if conformal.allows(level)
        },
    }


def intervals_file(folder: RunFolder) -> Path:
    """Return the path of the scores."""
    return folder.path / "intervals.json"


def keep_scores(folder: RunFolder, checkpoint: str, conformal: ConformalScores) -> StoredIntervals:
    """Store the scores that were measured with a checkpoint.

    Args:
        folder: The run.
        checkpoint: The name of the checkpoint.
        conformal: The scores.

    Raises:
        RunError: They cannot be written.
    """
    made = StoredIntervals(checkpoint, manifest_sum(folder.checkpoints / checkpoint), conformal)
    path = intervals_file(folder)
    folder.record_sums({path: folder.write_json(path, _adapter().dump_python(made, mode="json"))})
    return made


def read_intervals(folder: RunFolder, target: Target) -> StoredIntervals | None:
    """Return the scores of a run; None if there are none.

    Args:
        folder: The run.
        target: What its model predicts.

    Raises:
        RunError: The file is damaged.
    """
    path, hint = intervals_file(folder), f"dlrun eval {folder.id} --split validation measures them again"
    check_presence(folder.path, path, hint=hint)
    if not path.is_file():
        return None
    with explained(f"read {path}"):
        text = disk.read_file(path, largest=_LARGEST_BYTES)
    check_sum(folder.path, path, text, hint=hint)
    try:
        stored = _adapter().validate_json(text)
    except ValidationError as error:
        raise RunError(f"{path} is damaged: {error.errors(include_url=False)[0]['msg']}", hint=hint) from error
    if problem := _misfit(stored.conformal, target):
        raise RunError(f"{path} is damaged: {problem}", hint=hint)
    return stored


def _misfit(conformal: ConformalScores, target: Target) -> str:
    """Return why scores do not fit a target; empty if they fit."""
    levels, ranks = len(target.levels), conformal.ranks
    pairs = tuple((place, levels - 1 - place) for place in range(levels // 2))
    if conformal.pairs != pairs or len(conformal.levels) != len(pairs):
        return f"it has other pairs of quantiles than {levels} levels have"
    if not ranks or ranks[-1] != conformal.examples or list(ranks) != sorted({*ranks}):
        return "its ranks do not ascend to the number of examples"
    columns = [column for pair in conformal.scores for column in pair]
    if len(conformal.scores) != max(1, len(pairs)) or len(columns) != max(1, len(pairs)) * target.size:
        return f"it has scores for other values than the {target.size} of the model"
    if any(len(column) != len(ranks) or not all(map(math.isfinite, column)) for column in columns):
        return "it does not have a finite score for each rank"
    return ""


@functools.cache
def _adapter() -> TypeAdapter[StoredIntervals]:
    return TypeAdapter(StoredIntervals)
