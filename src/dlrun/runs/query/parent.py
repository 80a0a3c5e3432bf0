"""Find the run that another one starts from."""

from __future__ import annotations

from pathlib import Path

from dlrun.errors import UsageError
from dlrun.runs.folder import RunFolder
from dlrun.runs.provenance.trust import is_own, refuse_unusual_files


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
