"""The report of a run that has just ended: what its model predicts is kept, and drawn by a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.errors import DlrunError
from dlrun.runs.folder import RunFolder
from dlrun.runs.predictions import write_predictions
from dlrun.timeline import Timeline
from dlrun.training.progress import Listener, Note

if TYPE_CHECKING:
    from dlrun.training.assembly import Assembly

_PATIENCE_SECONDS = 120


def keep_predictions(assembly: Assembly, folder: RunFolder, splits: Iterable[str]) -> None:
    """Keep what the final model predicts for some splits, for the report."""
    from dlrun.training.sampling import sample_predictions

    for split in splits:
        write_predictions(folder, split, sample_predictions(assembly, split))


@contextmanager
def reported(folder: RunFolder, listener: Listener, *, wanted: bool, timeline: Timeline) -> Iterator[None]:
    """Write the report of a run once the `with` block has ended without an error.

    The plotting library takes as long to import as a short training does to run, so a process of its own imports it
    meanwhile. A report that cannot be made is told, and is no failure of the run.

    Args:
        folder: The run.
        listener: Told where the report is, or why there is none.
        wanted: Whether there is to be one.
        timeline: Told how long it was waited for.
    """
    if not wanted:
        yield
        return
    with _drawing_process() as process:
        yield
        with timeline.spent("report"):
            said = _asked(process, folder.path)
        listener(Note("report", said or str(folder.report_html)))


@contextmanager
def _drawing_process() -> Iterator[subprocess.Popen[str] | None]:
    if "matplotlib.figure" in sys.modules:  # a server of many runs has it already: it is drawn here
        yield None
        return
    command = (sys.executable, "-m", "dlrun.report")
    process = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        # Of a run that has failed nothing is drawn, and the process may still be importing.
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _asked(process: subprocess.Popen[str] | None, folder: Path) -> str:
    """Have a report written; why it was not, or nothing."""
    if process is None:
        from dlrun.report.writing import write_report

        try:
            write_report(RunFolder.open(folder))
        except DlrunError as error:
            return f"none: {error.what}"
        return ""
    try:
        answer, _ = process.communicate(json.dumps(str(folder.resolve())) + "\n", timeout=_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        return f"none: drawing it took more than {_PATIENCE_SECONDS} s; dlrun report {folder.name} tries again"
    lines = answer.splitlines()
    if not lines:
        return f"none: drawing it ended with exit code {process.returncode}; dlrun report {folder.name} tries again"
    said = json.loads(lines[-1])
    return f"none: {said}" if said else ""
