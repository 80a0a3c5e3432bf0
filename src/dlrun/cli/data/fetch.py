"""The command `dlrun data fetch NAME`."""

from __future__ import annotations

from typing import Annotated

import typer

from dlrun.cli.options import AsJson

_Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The name in tensorflow-datasets: mnist, emnist/letters, mnist:3.0.1.")
]
_DataDir = Annotated[
    str | None,
    typer.Option("--data-dir", help="Folder to store it in. Default: TFDS_DATA_DIR or ~/tensorflow_datasets."),
]


def fetch(name: _Name, data_dir: _DataDir = None, *, as_json: AsJson = False) -> None:
    """Download a dataset of tensorflow-datasets and prepare it.

    Use it to bring data to a machine without a network.
    """
    from dlrun.cli.display.console import Console, print_json
    from dlrun.cli.display.format import format_bytes
    from dlrun.data.tfds.fetch import fetch_set

    with Console().noise_kept_away():
        fetched = fetch_set(name, data_dir=data_dir)
    if as_json:
        print_json(fetched.plain())
        return
    splits = ", ".join(f"{split} {count:,}" for split, count in fetched.splits.items())
    typer.echo(f"{'already there' if fetched.was_there else 'prepared'}  {fetched.folder}")
    typer.echo(f"contains       {splits}; {format_bytes(fetched.size)}")
    if fetched.unusable:
        typer.echo(f"warning        dlrun cannot train on it: {fetched.unusable}")
    typer.echo(f"this machine   {fetched.usage}")
    typer.echo(f"other machine  copy {fetched.set_folder} into a folder there, and set TFDS_DATA_DIR to that folder")
