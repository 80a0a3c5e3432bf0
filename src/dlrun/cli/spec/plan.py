"""The command `dlrun plan CONFIG`."""

from __future__ import annotations

import typer

from dlrun.cli.options import AsJson, Config, Overrides, TrustPlugins


def plan(config: Config, overrides: Overrides, *, trust_plugins: TrustPlugins = False, as_json: AsJson = False) -> None:
    """Show layers, parameters, steps, time and memory of CONFIG.

    It runs a few steps to estimate the time.
    """
    from dataclasses import asdict

    import dlrun
    from dlrun.cli.display.console import print_json
    from dlrun.cli.display.display import displayed
    from dlrun.cli.display.format import format_bytes, format_table
    from dlrun.cli.display.printable import printable_cell
    from dlrun.data.columns import reasons
    from dlrun.system.duration import format_seconds

    with displayed(quiet=True) as display:
        planned = dlrun.plan(config, overrides=overrides, listener=display, trust_plugins=trust_plugins)
    if as_json:
        print_json(asdict(planned))
        return
    rows = [
        (layer.name, layer.type, " x ".join(map(str, layer.output_shape)), f"{layer.parameters:,}", layer.dtype)
        for layer in planned.layers
    ]
    typer.echo(format_table(("layer", "type", "output", "parameters", "dtype"), rows))
    typer.echo(f"\nparameters  {planned.parameters:,}, {planned.trainable:,} of them trainable")
    typer.echo(f"training    {planned.steps:,} steps, {planned.steps_per_epoch:,} per epoch, {planned.precision}")
    if planned.runs > 1:
        typer.echo(f"runs        {planned.runs:,}, one for each fold; this is the first")
    typer.echo(f"time        about {format_seconds(planned.seconds)} on this machine, if no early stopping ends it")
    if planned.trials:
        longest = format_seconds(planned.seconds * planned.trials)
        typer.echo(f"search      at most {planned.trials:,} such trainings: about {longest}, one after the other")
    if planned.left_out:
        typer.echo(printable_cell(f"left out    {reasons(planned.left_out)}"))
    memory = ", ".join(f"{format_bytes(size)} {purpose}" for purpose, size in planned.memory.items())
    typer.echo(f"memory      about {format_bytes(sum(planned.memory.values()))}: {memory}")
