"""The command `dlrun init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.display.terminal import tell

_Path = Annotated[
    Path | None,
    typer.Argument(help="The file to write. Default: config.yaml, or named after the data.", show_default=False),
]
_Starter = Annotated[str, typer.Option(help="mlp, cnn, lstm, text, autoencoder, or regression. Default: cnn.")]
_Data = Annotated[
    str,
    typer.Option(
        "--data", metavar="FILE", help="Your own data: a table, texts, a folder of images or sound, an .npz file."
    ),
]
_Target = Annotated[
    list[str] | None,
    typer.Option("--target", metavar="NAME", help="With --data: the column to predict. Repeatable for tables."),
]
_Type = Annotated[str, typer.Option("--type", help="With --data: table, series, text, images, audio, or arrays.")]
_Test = Annotated[
    float | None,
    typer.Option("--test", min=0, max=0.9, metavar="FRACTION", help="With --data: fraction to hold out for a test."),
]
_History = Annotated[int | None, typer.Option(min=1, metavar="ROWS", help="For a series: rows to predict from.")]
_Horizon = Annotated[int | None, typer.Option(min=1, metavar="ROWS", help="For a series: rows to predict.")]


def init(
    path: _Path = None,
    starter: _Starter = "",
    *,
    data: _Data = "",
    target: _Target = None,
    kind: _Type = "",
    history: _History = None,
    horizon: _Horizon = None,
    test: _Test = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a config: a starter, or one for your own data.

    It trains as it is. With --data, dlrun examines the data and chooses its type, columns and model.
    """
    if data and starter:
        raise typer.BadParameter("give only one of them", param_hint="--data, --starter")
    if not data and (target or kind or history or horizon or test is not None):
        options = "--target, --type, --history, --horizon, --test"
        raise typer.BadParameter("these options need --data", param_hint=options)
    if data:
        from dlrun.init_config.draft import Wishes
        from dlrun.init_config.write import write_config

        first, *more = target or [""]
        written = write_config(data, path, Wishes(kind, first, history, horizon, tuple(more), test), force=force)
        for message in written.messages:
            tell(message)
        path = written.path
    else:
        from dlrun.init_config.starters import write_starter

        path = write_starter(starter or "cnn", path or Path("config.yaml"), force=force)
    typer.echo(f"wrote {path}; train it with: dlrun train {path}")
