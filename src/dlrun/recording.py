"""What a run writes about itself in run.json, from its start to however it ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import yaml

from dlrun.errors import DlrunError, Interrupted
from dlrun.runs import provenance
from dlrun.runs.folder import RunFolder, now
from dlrun.spec.parse import SpecFile

if TYPE_CHECKING:
    from dlrun.training.assembly import Assembly
    from dlrun.training.state import TrainingState


def create_folder(file: SpecFile, runs_dir: Path) -> RunFolder:
    """Make the run folder, with everything that is known before the first stage.

    Raises:
        RunError: It cannot be made or written to.
    """
    folder = RunFolder.create(runs_dir, name=file.spec.name)
    text = yaml.safe_dump(file.spec.plain(), sort_keys=False, allow_unicode=True, width=100)
    folder.write_text(folder.config_yaml, file.path.read_text(encoding="utf-8-sig"))
    folder.write_text(folder.spec_yaml, text)
    folder.write_text(folder.packages_txt, provenance.packages_text())
    code = file.path.resolve().parent
    git = provenance.git_state(code)
    if git and git["dirty"]:
        folder.write_text(folder.git_diff, provenance.git_diff(code))
    folder.update_record(
        command=tuple(sys.argv),
        spec_sha256=sha256(text.encode()).hexdigest(),
        git=git,
        versions=provenance.versions(),
        machine=provenance.machine(),
        model={"type": file.spec.model.type_name},
    )
    return folder


@contextmanager
def recorded(folder: RunFolder) -> Iterator[None]:
    """Record that the run is going on, and how it ends, whichever way it does.

    Raises:
        Interrupted: The user stopped it.
    """
    folder.update_record(status="running")
    try:
        yield
    except KeyboardInterrupt as error:
        folder.update_record(status="interrupted", reason="stopped by the user", finished=now())
        raise Interrupted(f"stopped; what was trained is in {folder.path}") from error
    except DlrunError as error:
        folder.update_record(status="failed", reason=error.what, finished=now())
        raise
    except BaseException as error:
        folder.update_record(status="failed", reason=f"{type(error).__name__}: {error}", finished=now())
        raise
    folder.update_record(status="completed", finished=now())


def record_choices(folder: RunFolder, assembly: Assembly) -> None:
    """Record what was chosen and loaded, before the first step."""
    compiled, dataset = assembly.compiled, assembly.dataset
    folder.update_record(
        device=assembly.device.choice.model_dump(),
        precision=compiled.precision.model_dump(),
        jit=compiled.jit.model_dump(),
        model={"type": assembly.spec.model.type_name, "parameters": compiled.model.count_params()},
        dataset={
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "examples": {name: len(split) for name, split in dataset.splits.items()},
        },
    )


def record_outcome(
    folder: RunFolder, state: TrainingState, scores: Mapping[str, Mapping[str, float]], *, weights_sha256: str
) -> None:
    """Record what came of it."""
    rates = [rate for row in folder.read_metrics() if (rate := row["examples_per_second"]) is not None]
    folder.update_record(
        result=scores,
        best=asdict(state.best) if state.best else None,
        reason=state.stopped or None,
        seconds=round(state.seconds, 3),
        throughput=median(rates) if rates else None,
        weights_sha256=weights_sha256,
    )
