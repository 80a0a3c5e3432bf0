"""The command `dlrun find batch-size CONFIG`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from dlrun.cli.find.writing import Write, use
from dlrun.cli.options import AsJson, Config, Overrides, TrustPlugins

if TYPE_CHECKING:
    from dlrun.benchmark.batch_size import SizeFound


def batch_size(
    config: Config,
    overrides: Overrides,
    *,
    write: Write = False,
    trust_plugins: TrustPlugins = False,
    as_json: AsJson = False,
) -> None:
    """Propose a batch size, from throughput and memory.

    The proposal is the smallest that is within 5 % of the best throughput, with the learning rate scaled to it.
    """
    import dlrun
    from dlrun.cli.display.console import print_json
    from dlrun.cli.display.display import displayed
    from dlrun.cli.display.terminal import tell

    with displayed(quiet=as_json) as display:
        found = dlrun.find_batch_size(config, overrides=overrides, trust_plugins=trust_plugins, listener=display)
    if as_json:
        print_json(found.plain())
    else:
        _show(found)
    if found.overrides and (write or not as_json):
        use(config, found.overrides, write=write)
    elif write:
        tell(f"{config} stays as it is: {found.own} is the proposal")


def _show(found: SizeFound) -> None:
    from dlrun.cli.display.format import format_bytes, format_table
    from dlrun.cli.display.printable import printable_cell
    from dlrun.cli.display.terminal import width_of, wrapped_message

    rows = []
    for each in found.measured:
        speed = f"{each.examples_per_second:,.0f}" if each.examples_per_second is not None else "-"
        memory = format_bytes(each.peak_bytes) if each.peak_bytes is not None else "-"
        remark = "failed" if each.error else "proposed" if each.batch_size == found.batch_size else ""
        rows.append((str(each.batch_size), speed, memory, remark))
    width = width_of(sys.stdout)
    typer.echo(format_table(("batch", "examples/s", "peak memory", ""), rows))
    for each in found.measured:
        if each.error:
            typer.echo(wrapped_message(printable_cell(f"batch {each.batch_size}: {each.error}"), width))
    typer.echo(wrapped_message(f"\nproposal   {found.batch_size}: {found.reason}", width))
    typer.echo(wrapped_message(f"rate       {found.learning_rate:g}: {found.scaling}", width))
    typer.echo(f"config     {found.own}")
