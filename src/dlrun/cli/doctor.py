"""The command `dlrun doctor`."""

from __future__ import annotations

import typer

from dlrun.cli.options import AsJson, RunsDir
from dlrun.runs import RUNS_DIR

_MARKS = {"ok": "ok  ", "warning": "WARN", "failure": "FAIL"}


def doctor(runs_dir: RunsDir = RUNS_DIR, *, as_json: AsJson = False) -> None:
    """Check this machine and the installation.

    The exit code is 1 if training cannot work.
    """
    from dataclasses import asdict

    from dlrun.cli.display.console import Console, print_json
    from dlrun.training.devices.doctor import examine

    with Console().noise_kept_away():
        findings = list(examine(runs_dir))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            typer.echo(f"{_MARKS[finding.status]}  {finding.subject:<12} {finding.text}")
            if finding.advice:
                typer.echo(f"{'':<18} {finding.advice}")
    if any(finding.status == "failure" for finding in findings):
        raise typer.Exit(1)
