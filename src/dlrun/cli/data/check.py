"""The command `dlrun data check CONFIG`."""

from __future__ import annotations

from collections import Counter

import typer

from dlrun.cli.display.terminal import tell
from dlrun.cli.options import AsJson, Config, Overrides, TrustPlugins


def check(
    config: Config, overrides: Overrides, *, trust_plugins: TrustPlugins = False, as_json: AsJson = False
) -> None:
    """Check the data of CONFIG for common problems.

    Prints one line for each check: pass, note, warning or failure, with its threshold and advice. The exit code is 1
    if a check fails.
    """
    from dlrun.cli.display.console import Console, print_json
    from dlrun.cli.display.format import format_count
    from dlrun.cli.display.printable import printable
    from dlrun.data.inspection.check import find_all
    from dlrun.data.inspection.inspected import inspect_source
    from dlrun.spec.parse import read_spec

    file = read_spec(config, tuple(overrides), trust_plugins=trust_plugins)
    source = file.spec.dataset
    for note in file.notes:
        tell(f"note: {note}")
    with Console().noise_kept_away():
        findings = find_all(inspect_source(source))
    counts = Counter(finding.status for finding in findings)
    if as_json:
        print_json([finding.plain() for finding in findings])
    else:
        width = max(len(finding.check) for finding in findings)
        for finding in findings:
            line = f"{finding.status:<8}  {finding.check:<{width}}  {finding.said} (threshold: {finding.threshold})"
            advice = f"\n{'':{width + 12}}-> {finding.advice}" if finding.advice else ""
            typer.echo(printable(line + advice))
        summary = ", ".join(format_count(counts[status], status) for status in ("failure", "warning", "note"))
        typer.echo(f"\n{summary}, {counts['pass']} passed")
    if counts["failure"]:
        raise typer.Exit(1)
