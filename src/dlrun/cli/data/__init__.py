"""The commands `dlrun data ...`, one file each."""

from __future__ import annotations

import typer

from dlrun.cli.data.check import check
from dlrun.cli.data.fetch import fetch
from dlrun.cli.data.show import show

data = typer.Typer(
    no_args_is_help=True, help="Show and check data, or download it ahead of time.", rich_markup_mode=None
)
data.command()(show)
data.command()(check)
data.command()(fetch)
