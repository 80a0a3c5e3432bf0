"""`dlrun data show CONFIG`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.display.terminal import tell
from dlrun.cli.options import AsJson, Config, Overrides, TrustPlugins

_Samples = Annotated[
    int | None, typer.Option(min=1, max=1000, metavar="N", help="Training examples to show: 3, and 24 images.")
]
_Images = Annotated[
    Path | None, typer.Option("--images", metavar="FILE.png", help="Draw sample images with their classes into a file.")
]
_ROWS, _PICTURES = 3, 24


def show(
    config: Config,
    overrides: Overrides,
    samples: _Samples = None,
    images: _Images = None,
    *,
    trust_plugins: TrustPlugins = False,
    as_json: AsJson = False,
) -> None:
    """Show the data of CONFIG: splits, classes or values, columns or texts, and some examples."""
    from dlrun.cli.data.page import facts_page
    from dlrun.cli.display.console import Console, print_json
    from dlrun.data.inspection.facts import describe_dataset
    from dlrun.data.inspection.inspected import inspect_source
    from dlrun.data.inspection.picture import draw_images
    from dlrun.spec.parse import read_spec

    file = read_spec(config, tuple(overrides), trust_plugins=trust_plugins)
    source = file.spec.dataset
    for note in file.notes:
        tell(f"note: {note}")
    with Console().noise_kept_away():
        inspected = inspect_source(source)
        facts = describe_dataset(inspected, samples=samples or _ROWS)
        if images is not None:
            drawn = draw_images(inspected.dataset, images, samples=samples or _PICTURES)
    if as_json:
        print_json(facts.plain())
    else:
        typer.echo(facts_page(facts))
    if images is not None:
        tell(f"{drawn} images drawn in {images}")
