"""Read the learning curves of runs, one metric by epoch, and draw them."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.errors import UsageError
from dlrun.names import nearest
from dlrun.runs.history import NOT_SCORES
from dlrun.system.disk import disk, explained

if TYPE_CHECKING:
    from dlrun.runs.folder import RunFolder

Curve = Sequence[tuple[float, float | None]]
"""Epochs and values; a value is None if it is NaN or infinite."""

_FORMATS = (".png", ".svg", ".pdf")
_LARGEST = 1e100
_INCHES = (8.0, 5.0)
_FEW = 60  # curves with fewer points show a marker for each


def curve_of(rows: Iterable[Mapping[str, float | None]], metric: str) -> Curve:
    """Return the values of a metric in the rows that have it.

    Args:
        rows: The rows of `metrics.jsonl`.
        metric: The name of a column.
    """
    return [
        (_finite(row.get("epoch")) or number, _finite(row[metric]))
        for number, row in enumerate(rows, start=1)
        if metric in row
    ]


def read_curves(folders: Sequence[RunFolder], metric: str = "") -> tuple[str, dict[str, Curve]]:
    """Return one curve per run.

    Args:
        folders: The runs.
        metric: A column of `metrics.jsonl`; empty for `val_loss` if every run has it, else `loss`.

    Returns:
        The metric, and the curves by the id of the run.

    Raises:
        UsageError: No run has the metric.
        RunError: The metrics of a run cannot be read.
    """
    rows = {folder.id: folder.read_metrics() for folder in folders}
    metric = metric or ("val_loss" if all(of_run and "val_loss" in of_run[-1] for of_run in rows.values()) else "loss")
    curves = {run: curve for run, of_run in rows.items() if (curve := curve_of(of_run, metric))}
    if not curves:
        known = dict.fromkeys(name for of_run in rows.values() for row in of_run for name in row)
        names = [name for name in known if name not in NOT_SCORES or name == "learning_rate"]
        near = nearest(metric, names)
        raise UsageError(
            f"no run has epochs with {metric!r}",
            expected=f"one of {', '.join(names)}" if names else "a run that has trained for an epoch",
            hint=f"--metric {near}" if near else "",
        )
    return metric, curves


def check_picture(path: Path) -> None:
    """Check that the file name has a supported image format, before any work is done.

    Args:
        path: The path of the image to write.

    Raises:
        UsageError: The suffix is not that of a supported format.
    """
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(f"{path} is not an image file", expected=f"a name ending in {', '.join(_FORMATS)}, or -")


def draw_picture(path: Path, curves: Mapping[str, Curve], *, metric: str) -> None:
    """Draw curves into one image, replacing an existing file.

    Args:
        path: The path of the image.
        curves: The curves by the id of the run.
        metric: The label of the y axis.

    Raises:
        RunError: The image cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, layout="constrained")
    axes = figure.add_subplot()
    for curve in curves.values():
        # matplotlib's arithmetic overflows for axes beyond 1e100; larger losses can be read from the table.
        heights = [math.nan if value is None or abs(value) > _LARGEST else value for _, value in curve]
        epochs = [min(epoch, _LARGEST) for epoch, _ in curve]
        axes.plot(epochs, heights, marker="." if len(curve) < _FEW else "")
    axes.set_xlabel("epoch")
    axes.set_ylabel(_literal(metric))
    axes.grid(visible=True, alpha=0.3)
    # Pass the lines explicitly: matplotlib omits labels that begin with an underscore.
    axes.legend(axes.get_lines(), [_literal(name) for name in curves], fontsize="small")
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about characters that the font does not have
        figure.savefig(content, format=path.suffix.lower().removeprefix("."), dpi=150)
    with explained(f"write {path}"):
        disk.write_file(path, content.getvalue())


def _literal(text: str) -> str:
    """Return a text in which a dollar sign does not start a formula."""
    return "".join(char if char.isprintable() else "?" for char in text).replace("$", r"\$")


def _finite(value: float | None) -> float | None:
    try:
        number = math.nan if value is None else float(value)
    except OverflowError:  # an integer with hundreds of digits, in a file that dlrun did not write
        return None
    return number if math.isfinite(number) else None
