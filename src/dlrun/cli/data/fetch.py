"""The command `dlrun data fetch NAME`."""

from __future__ import annotations

from typing import Annotated

import typer

from dlrun.cli.options import AsJson

_Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="The name in tensorflow-datasets: mnist, emnist/letters, mnist:3.0.1. Or ImageNet weights: "
        "weights:resnet50, weights:mobilenet_v2,alpha=0.35,size=96.",
    ),
]
_DataDir = Annotated[
    str | None,
    typer.Option("--data-dir", help="Folder to store it in. Default: TFDS_DATA_DIR or ~/tensorflow_datasets."),
]


def fetch(name: _Name, data_dir: _DataDir = None, *, as_json: AsJson = False) -> None:
    """Download a dataset of tensorflow-datasets and prepare it, or the ImageNet weights of a backbone.

    Use it to bring data to a machine without a network.
    """
    if name.startswith("weights:"):
        _fetch_weights(name, data_dir, as_json=as_json)
        return
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


def _fetch_weights(name: str, data_dir: str | None, *, as_json: bool) -> None:
    if data_dir is not None:
        raise typer.BadParameter(
            "weights are kept in the folder of Keras, which KERAS_HOME sets", param_hint="--data-dir"
        )
    from dlrun.cli.display.console import Console, print_json
    from dlrun.models.pretrained.imagenet import fetch_by_name

    with Console().noise_kept_away():
        fetched = fetch_by_name(name)
    if as_json:
        print_json({"name": name, "path": str(fetched.path), "was_there": fetched.was_there})
        return
    typer.echo(f"{'already there' if fetched.was_there else 'downloaded'}  {fetched.path}")
    typer.echo(f"other machine  copy the file into {fetched.path.parent} there")
