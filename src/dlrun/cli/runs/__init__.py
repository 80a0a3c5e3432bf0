"""The commands `dlrun runs ...`, one file each."""

from __future__ import annotations

import typer

from dlrun.cli.runs.compare import compare
from dlrun.cli.runs.gc import gc
from dlrun.cli.runs.ls import list_
from dlrun.cli.runs.rm import remove
from dlrun.cli.runs.show import show
from dlrun.cli.runs.tag import tag
from dlrun.cli.runs.tail import tail

runs = typer.Typer(no_args_is_help=True, help="List, compare, follow and remove runs.", rich_markup_mode=None)
runs.command("ls")(list_)
runs.command()(show)
runs.command()(compare)
runs.command()(tail)
runs.command()(tag)
runs.command("rm")(remove)
runs.command()(gc)
