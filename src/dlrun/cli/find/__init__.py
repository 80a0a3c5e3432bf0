"""The commands `dlrun find ...`, which measure good values of a config before it is trained."""

from __future__ import annotations

import typer

from dlrun.cli.find.batch_size import batch_size
from dlrun.cli.find.learning_rate import learning_rate

find = typer.Typer(no_args_is_help=True, help="Find a learning rate or a batch size for a config.")
find.command("learning-rate")(learning_rate)
find.command("batch-size")(batch_size)
