"""Read the weights that an earlier run ended with, to start another model from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from dlrun.data.interface import Interface
from dlrun.errors import CheckpointError, RunError
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import read_interface
from dlrun.runs.query.parent import find_parent
from dlrun.runs.record import RunRecord
from dlrun.runs.sums import manifest_sum
from dlrun.spec.stored import read_stored_spec
from dlrun.spec.types import Spec
from dlrun.training.checkpoints.checkpoint import read_checkpoint
from dlrun.training.checkpoints.choosing import FINAL, checkpoint_named

_MODEL, _AVERAGES = "model/", "_model_variables_moving_average"


@dataclass(frozen=True)
class ParentRun:
    """A completed run whose weights another one starts from.

    Args:
        folder: The run.
        record: The content of its run.json.
        spec: Its spec.
        interface: The description of its input and output.
        checkpoint: The name of its final checkpoint.
        variables: The values of its model by the path of each variable.
    """

    folder: RunFolder
    record: RunRecord
    spec: Spec
    interface: Interface
    checkpoint: str
    variables: Mapping[str, npt.NDArray[Any]]


def read_parent(run: str, *, runs_dir: Path) -> ParentRun:
    """Read the weights that a run is used with: those of its best epoch if it ends with that, else the last.

    Raises:
        UsageError: There is no such run.
        RunError: Its checkpoint is missing or damaged, or not the one that training wrote.
    """
    folder = find_parent(run, runs_dir=runs_dir)
    spec = read_stored_spec(folder, looks_at_data=False).spec
    stopping = spec.training.early_stopping
    name = checkpoint_named(folder, FINAL, ends_with_best=stopping is not None and stopping.restore_best)
    path, record = folder.checkpoints / name, folder.read_record()
    checkpoint, kept = read_checkpoint(path), record.checkpoints_sha256.get(name)
    if kept is not None and manifest_sum(path) != kept:
        raise CheckpointError(f"{path} is not the checkpoint that training wrote", expected=f"the sha256 {kept}")
    arrays = {key.removeprefix(_MODEL): each for key, each in checkpoint.arrays.items() if key.startswith(_MODEL)}
    if getattr(spec.optimizer, "use_ema", False):
        raise RunError(
            f"{record.id} was trained with use_ema, whose averaged weights cannot be taken over",
            expected="a run without use_ema",
        )
    return ParentRun(folder, record, spec, read_interface(folder), name, arrays)
