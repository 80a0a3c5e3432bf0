"""Report a run that has just ended: keep what its model predicts, and have another process draw the report."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.errors import DlrunError
from dlrun.experiment.column_effects import measure_columns
from dlrun.runs.folder import RunFolder
from dlrun.runs.predictions import write_predictions
from dlrun.system.interpreter import Answer, answer_pipe, python_command, python_environment
from dlrun.training.progress.events import Listener, Note
from dlrun.training.progress.timeline import Timeline

if TYPE_CHECKING:
    from dlrun.training.setup import TrainingSetup

_PATIENCE_SECONDS = 120


def keep_predictions(setup: TrainingSetup, folder: RunFolder, splits: Iterable[str]) -> None:
    """Keep predictions of the final model for some splits, for the report."""
    from dlrun.training.sampling import sample_predictions

    splits, predictor = tuple(splits), setup.predictor()
    looked_at = next((name for name in ("test", "validation") if name in splits), splits[0])
    for split in splits:
        kept = sample_predictions(setup, split, predictor)
        if split == looked_at:
            part = setup.dataset.splits[split].take(kept.rows)
            kept = replace(kept, **measure_columns(setup, part, predictor))
        write_predictions(folder, split, kept)


@contextmanager
def reporting(folder: RunFolder, listener: Listener, *, wanted: bool, timeline: Timeline) -> Iterator[None]:
    """Write the report of a run after the block has ended without an error.

    Importing the plotting library takes as long as a short training, so another process imports it during the training.
    A report that cannot be drawn is mentioned in a note; the run does not fail for it.

    Args:
        folder: The run.
        listener: Called with a note of where the report is, or why there is none.
        wanted: Whether to write a report.
        timeline: Where the seconds go.
    """
    if not wanted:
        yield
        return
    with _drawing_process() as process:
        yield
        with timeline.spent("report"):
            problem = draw_report(process, folder.path)
        listener(Note("report", problem or str(folder.report_html)))


@dataclass(frozen=True)
class _Drawing:
    """The process that draws, and the pipe that it answers through."""

    process: subprocess.Popen[bytes]
    answer: Answer


@contextmanager
def _drawing_process() -> Iterator[_Drawing | None]:
    """Start the process, and end it; None where this process has to draw the report."""
    if "matplotlib.figure" in sys.modules:  # a server of many runs has imported it already
        yield None
        return
    with ExitStack() as stack:
        try:
            answer = stack.enter_context(answer_pipe())
            process = _start(answer)
        except OSError:  # too little memory or too many processes: no reason for the run to fail
            yield None
            return
        stack.callback(_end, process)
        yield _Drawing(process, answer)


def _start(answer: Answer) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(  # noqa: S603  dlrun itself, without a shell
        python_command("-m", "dlrun.report", answer.argument),
        env=python_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,  # the answer has a pipe of its own; libraries may print here
        stderr=subprocess.DEVNULL,
        pass_fds=answer.inherited,
    )
    answer.handed_over()
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    # After a failed run there is nothing to draw, and the process may still be importing.
    process.kill()
    process.wait()
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()


def draw_report(drawing: _Drawing | None, folder: Path) -> str:
    """Have the report drawn, and return why it could not be; empty if it was."""
    if drawing is None:
        from dlrun.report.writing import write_report

        try:
            write_report(RunFolder.open(folder))
        except DlrunError as error:
            return f"none: {error.what}"
        return ""
    again = f"dlrun report {folder.name} tries again"
    try:
        drawing.process.communicate(json.dumps(str(folder.resolve())).encode() + b"\n", timeout=_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        return f"none: drawing it took more than {_PATIENCE_SECONDS} s; {again}"
    problem = drawing.answer.read()
    if not isinstance(problem, str):
        return f"none: drawing it ended with exit code {drawing.process.returncode}; {again}"
    return f"none: {problem}" if problem else ""
