"""Arguments and options that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.display.printable import printable
from dlrun.cli.display.terminal import tell

Config = Annotated[Path, typer.Argument(help="The YAML file.", metavar="CONFIG", show_default=False)]
ConfigOrResume = Annotated[Path | None, typer.Argument(help="The YAML file.", metavar="CONFIG", show_default=False)]
"""For commands that go on with a run instead, when `--resume RUN` is given."""
Overrides = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a key: --set training.epochs=3. Repeatable.",
        default_factory=list,
        show_default=False,
    ),
]


def _warn_of_choice_by_test(runs: str | list[str] | None) -> str | list[str] | None:
    """Say of a `best:test_...` what is lost by it; a choice by validation needs no word."""
    for run in [runs] if isinstance(runs, str) else runs or []:
        if re.match(r"best:[-+]?test_", run):
            said = "chooses by the test split: the test score of this run is no longer a fair estimate"
            tell(f"warning    {printable(run)} {said}")
    return runs


_EACH = "Runs, each as the one RUN of other commands."
_ONE = "An id, a part of one, a path, last, or best:val_accuracy."
Run = Annotated[str, typer.Argument(help=_ONE, metavar="RUN", show_default=False, callback=_warn_of_choice_by_test)]
RunList = Annotated[
    list[str], typer.Argument(help=_EACH, metavar="RUN...", show_default=False, callback=_warn_of_choice_by_test)
]
AnyRuns = Annotated[
    list[str] | None,
    typer.Argument(help=_EACH, metavar="RUN...", show_default=False, callback=_warn_of_choice_by_test),
]
Where = Annotated[
    str, typer.Option(metavar="CONDITION", help="Only runs like this: 'val_accuracy>0.98 and model.type=cnn'.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="The folder of the runs.", envvar="DLRUN_RUNS")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the scores, and warnings on stderr; nothing else.")]
Checkpoint = Annotated[str, typer.Option(help="final, last, best, or a checkpoint's name.")]
TrustPlugins = Annotated[
    bool, typer.Option("--trust-plugins", help="Load the plugins, which are code, of a run that was not made here.")
]
AllowChanges = Annotated[
    bool, typer.Option("--allow-changes", help="Go on in a changed environment; the run is then no longer exact.")
]


def check_config_or_resume(config: Path | None, resume: str, *, allow_changes: bool) -> None:
    """Refuse a command line with both or neither of CONFIG and `--resume RUN`, or with options of the other."""
    if (config is None) == (not resume):
        raise typer.BadParameter("give one of them", param_hint="CONFIG or --resume RUN")
    if config is not None and allow_changes:
        raise typer.BadParameter("it goes with --resume RUN", param_hint="--allow-changes")
