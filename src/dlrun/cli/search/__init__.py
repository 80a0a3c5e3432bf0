"""The commands `dlrun search ...`, one file each; without the name of one, it searches."""

from __future__ import annotations

import os
from typing import Any

import typer
from typer.core import TyperGroup

from dlrun.cli.search.best import best
from dlrun.cli.search.command import search_config
from dlrun.cli.search.ls import list_
from dlrun.cli.search.rm import remove
from dlrun.cli.search.show import show
from dlrun.names import nearest

_DEFAULT = "CONFIG"


class _SearchCommands(TyperGroup):
    """A group whose first argument is a config, or else the name of a command."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; anything that is not the name of one is the config of a search."""
        if args and (args[0] == _DEFAULT or args[0] not in self.commands):
            if args[0] == _DEFAULT and not os.path.lexists(_DEFAULT):
                args = args[1:]  # the word that the help shows, as in `dlrun search CONFIG --help`
            else:
                self._refuse_misspelt(ctx, args[0])
            _, command, _ = super().resolve_command(ctx, [_DEFAULT])
            return "", command, args
        return super().resolve_command(ctx, args)

    def _refuse_misspelt(self, ctx: Any, word: str) -> None:
        names = [name for name in self.commands if name != _DEFAULT]
        if word.isalpha() and not os.path.lexists(word) and (near := nearest(word, names)):
            ctx.fail(f"there is no config and no command {word!r}. Did you mean {near!r}?")


search = typer.Typer(
    cls=_SearchCommands,
    no_args_is_help=True,
    help="Search for the values of a config that score best.",
    epilog="dlrun search CONFIG --help lists the options of a search.",
    rich_markup_mode=None,
)
search.command(_DEFAULT)(search_config)
search.command()(show)
search.command("ls")(list_)
search.command()(best)
search.command("rm")(remove)
