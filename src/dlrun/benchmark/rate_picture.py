"""Draw the losses of range tests over the learning rate."""

from __future__ import annotations

import io
from pathlib import Path

from dlrun.benchmark.learning_rate import RateFound
from dlrun.system.disk import disk, explained

_INCHES = (8.0, 5.0)


def draw_range_tests(path: Path, found: RateFound) -> None:
    """Draw the smoothed loss of each range test, the suggestion, and the config's own learning rate.

    Args:
        path: The path of the picture; its suffix is the format.
        found: The range tests.

    Raises:
        RunError: The picture cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, layout="constrained")
    axes = figure.add_subplot()
    for test in found.tests:
        axes.plot(*zip(*test.curve, strict=True), label=f"seed {test.seed}")
    axes.axvline(found.own, color="gray", linestyle=":", label=f"config: {found.own:g}")
    if (rate := found.suggestion.rate) is not None:
        axes.axvline(rate, color="black", linestyle="--", label=f"suggestion: {rate:g}")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss, smoothed")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:].lower(), dpi=120)
    with explained(f"write {path}"):
        disk.write_atomically(path, content.getvalue())
