"""`dlrun data ...`: one file for each command."""

from __future__ import annotations

import typer

from dlrun.cli.data.check import check
from dlrun.cli.data.fetch import fetch
from dlrun.cli.data.show import show

data = typer.Typer(no_args_is_help=True, help="Show data, check it, fetch it ahead of time.", rich_markup_mode=None)
data.command()(show)
data.command()(check)
data.command()(fetch)
