"""The command `dlrun find learning-rate CONFIG`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlrun.cli.find.writing import Write, use
from dlrun.cli.options import AsJson, Config, Overrides, TrustPlugins

if TYPE_CHECKING:
    from dlrun.benchmark.learning_rate import RateFound

_FIRST, _TALLEST = 5, 1.3
_Seeds = Annotated[int, typer.Option(min=1, max=20, help="Range tests, each with other weights and another order.")]
_Plot = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The picture. Default: CONFIG with -learning-rate.png", show_default=False),
]


def learning_rate(
    config: Config,
    overrides: Overrides,
    seeds: _Seeds = 3,
    plot: _Plot = None,
    *,
    write: Write = False,
    trust_plugins: TrustPlugins = False,
    as_json: AsJson = False,
) -> None:
    """Suggest a learning rate, from a short training in which it rises.

    It rises from 1e-7 to 10 over 100 steps. The suggestion lies on the longest fall of the loss. It says so if
    there is no clear one.
    """
    import dlrun
    from dlrun.benchmark.rate_picture import draw_range_tests
    from dlrun.cli.display.console import print_json
    from dlrun.cli.display.display import displayed
    from dlrun.cli.display.terminal import tell
    from dlrun.runs.compare.curves import check_picture

    picture = plot or Path(f"{config.stem}-learning-rate.png")
    check_picture(picture)
    with displayed(quiet=as_json) as display:
        found = dlrun.find_learning_rate(
            config, overrides=overrides, seeds=seeds, trust_plugins=trust_plugins, listener=display
        )
    if any(test.losses for test in found.tests):
        draw_range_tests(picture, found)
        tell(f"wrote {picture}")
    if as_json:
        print_json(found.plain())
    else:
        _show(found)
    if found.overrides:
        use(config, found.overrides, write=write) if write or not as_json else None
    elif write:
        tell(f"{config} stays as it is")


def _in_view(curve: Sequence[tuple[float, float]]) -> list[tuple[float, float | None]]:
    """Return a curve without its rise at the end, which would press the rest flat."""
    highest = _TALLEST * max(abs(loss) for _, loss in curve[:_FIRST])
    return [(rate, loss if loss <= highest else None) for rate, loss in curve]


def _show(found: RateFound) -> None:
    from dlrun.cli.display.curve import HorizontalAxis, draw_curves, takes_braille
    from dlrun.cli.display.terminal import width_of, wrapped_message

    curves = {f"seed {test.seed}": _in_view(test.curve) for test in found.tests if test.curve}
    width = width_of(sys.stdout)
    lines = draw_curves(
        curves, braille=takes_braille(sys.stdout.encoding), columns=width, axis=HorizontalAxis("learning rate", True)
    )
    typer.echo("\n".join(["loss, smoothed", *lines, ""]))
    rate = found.suggestion.rate
    head = f"suggestion {rate:g}" if rate is not None else "suggestion none"
    typer.echo(wrapped_message(f"{head}: {found.suggestion.reason}", width))
    typer.echo(f"config     {found.own:g}")
