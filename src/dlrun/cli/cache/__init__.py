"""The commands `dlrun cache ...`, one file each."""

from __future__ import annotations

import typer

from dlrun.cli.cache.clear import clear
from dlrun.cli.cache.ls import list_

cache = typer.Typer(no_args_is_help=True, help="Show and empty the cache of prepared data.", rich_markup_mode=None)
cache.command("ls")(list_)
cache.command()(clear)
