"""The command `dlrun doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.options import AsJson, RunsDir
from dlrun.runs import RUNS_DIR

_MARKS = {"ok": "ok  ", "warning": "WARN", "failure": "FAIL"}
_Gpu = Annotated[
    bool,
    typer.Option("--gpu", help="Try the GPUs instead, in a few minutes, and print a Markdown table to paste."),
]
_Rehearse = Annotated[bool, typer.Option("--rehearse", hidden=True, help="With --gpu: run the checks on the CPU.")]


def doctor(
    runs_dir: RunsDir = RUNS_DIR, *, gpu: _Gpu = False, rehearse: _Rehearse = False, as_json: AsJson = False
) -> None:
    """Check this machine and the installation.

    The exit code is 1 if training cannot work.
    """
    if rehearse and not gpu:
        raise typer.BadParameter("it belongs to --gpu", param_hint="--rehearse")
    if gpu:
        _try_gpus(rehearses=rehearse, as_json=as_json)
        return
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


def _try_gpus(*, rehearses: bool, as_json: bool) -> None:
    from dataclasses import asdict

    from dlrun.cli.display.console import print_json
    from dlrun.gpu_check import table
    from dlrun.gpu_check.checks import DOCTOR_CHECKS
    from dlrun.gpu_check.running import find_place, make_folder, run_checks

    rows = []
    with make_folder() as folder:
        place = find_place(rehearses=rehearses, folder=Path(folder))
        if not as_json:
            typer.echo(f"{table.describe_machine(place)}\n\n{table.header()}")
        for row in run_checks(DOCTOR_CHECKS, place):
            rows.append(row)
            if not as_json:
                typer.echo(table.line(row, place))
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        typer.echo(f"\n{table.count(rows)}")
    if any(row.verdict.status == "failed" for row in rows):
        raise typer.Exit(1)
