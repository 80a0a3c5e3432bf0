"""Read the weights that an earlier run ended with, to start another model from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from dlrun.data.interface import Interface
from dlrun.errors import CheckpointError, RunError, UsageError
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import read_interface
from dlrun.runs.provenance.trust import is_own, refuse_unusual_files
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


def find_parent(run: str, *, runs_dir: Path) -> RunFolder:
    """Return the completed run with this id or path.

    Raises:
        UsageError: There is no such run, it was removed, or it was not trained to its end.
    """
    path = Path(run).expanduser()
    folder = RunFolder(path if "/" in run and path.is_dir() else runs_dir / run)
    if not folder.run_json.is_file():
        what = f"there is no run {run} to start from, in {runs_dir}: it was removed, or is somewhere else"
        raise UsageError(what, expected="the id of a completed run, or the path of its folder", hint="dlrun runs ls")
    if not is_own(folder):
        refuse_unusual_files(folder)
    record = folder.read_record()
    if record.weights_sha256 is None:
        what = f"the run {record.id} is not trained to its end"
        raise UsageError(what, expected="a completed run", hint=f"dlrun resume {record.id} trains it to its end")
    if record.is_ensemble:
        what = f"the run {record.id} is an ensemble, whose members have networks of their own"
        raise UsageError(what, expected="a run that was trained", hint="name one of its members")
    return folder


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
