"""The command `dlrun bench CONFIG`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dlrun.cli.options import AsJson, Config, Overrides, TrustPlugins

if TYPE_CHECKING:
    from dlrun.benchmark.bench import Benchmark

_BatchSizes = Annotated[
    str, typer.Option("--batch-sizes", metavar="N,N,...", help="Batch sizes to compare. Default: that of the spec.")
]


def bench(
    config: Config,
    overrides: Overrides,
    batch_sizes: _BatchSizes = "",
    *,
    trust_plugins: TrustPlugins = False,
    as_json: AsJson = False,
) -> None:
    """Measure training speed in each precision and with XLA.

    Prints examples per second and peak memory of every combination, and the --set options that select the fastest.
    """
    import dlrun
    from dlrun.cli.display.console import print_json
    from dlrun.cli.display.display import displayed

    try:
        sizes = tuple(int(size) for size in batch_sizes.split(",")) if batch_sizes else ()
    except ValueError:
        raise typer.BadParameter(
            f"{batch_sizes!r} is not a list of whole numbers", param_hint="--batch-sizes"
        ) from None
    with displayed(quiet=as_json) as display:
        found = dlrun.bench(
            config, overrides=overrides, batch_sizes=sizes, listener=display, trust_plugins=trust_plugins
        )
    if as_json:
        print_json(found.plain())
    else:
        _show(found)
    # After the table, which says of each combination why it failed.
    if found.winner is None:
        raise typer.Exit(1)


def _show(found: Benchmark) -> None:
    from dlrun.cli.display.console import output_width
    from dlrun.cli.display.format import format_bytes, format_table
    from dlrun.cli.display.printable import printable_cell

    header = ("batch", "precision", "jit", "examples/s", "ms/step", "compile s", "peak memory", "")
    rows = []
    for row in found.candidates:
        measured = ("-", "-", "-", "-")
        if row.seconds_per_step:
            numbers = (f"{row.examples_per_second:,.0f}", f"{1e3 * row.seconds_per_step:.2f}", f"{row.compile_seconds}")
            measured = (*numbers, format_bytes(row.peak_bytes or 0))
        remark = "failed" if row.error else "fastest" if row == found.winner else ""
        rows.append((str(row.batch_size), row.precision, row.jit, *measured, remark))
    spare = ("compile s", "ms/step", "peak memory")
    typer.echo(format_table(header, rows, width=output_width(), spare=spare))
    for row in found.candidates:
        if row.error:
            typer.echo(printable_cell(f"batch {row.batch_size}, {row.precision}, jit {row.jit}: {row.error}"))
    if found.winner:
        typer.echo("\n" + " ".join(f"--set {override}" for override in found.selection()))
