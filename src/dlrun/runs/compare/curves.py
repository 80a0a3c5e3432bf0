"""The learning curves of runs: one metric by epoch, and a picture of them."""

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
"""Epochs and values; a value is None where it was not finite."""

_FORMATS = (".png", ".svg", ".pdf")
_LARGEST = 1e100
_INCHES = (8.0, 5.0)
_FEW = 60  # points, that are shown as such


def curve_of(rows: Iterable[Mapping[str, float | None]], metric: str) -> Curve:
    """The values of a metric in the rows that have it."""
    return [
        (_finite(row.get("epoch")) or number, _finite(row[metric]))
        for number, row in enumerate(rows, start=1)
        if metric in row
    ]


def read_curves(folders: Sequence[RunFolder], metric: str = "") -> tuple[str, dict[str, Curve]]:
    """One curve for each run.

    Args:
        folders: The runs.
        metric: A column of `metrics.jsonl`; empty: `val_loss` if every run has it, else `loss`.

    Returns:
        The metric, and the curves by run.

    Raises:
        UsageError: No run has the metric.
        RunError: The metrics of one cannot be read.
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
    """Refuse a picture that could not be drawn, before any work is done for it.

    Raises:
        UsageError: The name's end tells no format that there is.
    """
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(f"{path} is no picture", expected=f"a name that ends in {', '.join(_FORMATS)}, or - to print")


def draw_picture(path: Path, curves: Mapping[str, Curve], *, metric: str) -> None:
    """Draw curves into one picture; a file of that name is replaced.

    Raises:
        RunError: It cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, layout="constrained")
    axes = figure.add_subplot()
    for curve in curves.values():
        # Axes of more than 1e100 are beyond matplotlib's arithmetic; who needs to see such a loss sees it in the table.
        heights = [math.nan if value is None or abs(value) > _LARGEST else value for _, value in curve]
        epochs = [min(epoch, _LARGEST) for epoch, _ in curve]
        axes.plot(epochs, heights, marker="." if len(curve) < _FEW else "")
    axes.set_xlabel("epoch")
    axes.set_ylabel(_literal(metric))
    axes.grid(visible=True, alpha=0.3)
    # Given by hand: matplotlib leaves out labels that begin with an underscore.
    axes.legend(axes.get_lines(), [_literal(name) for name in curves], fontsize="small")
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that its font does not have
        figure.savefig(content, format=path.suffix.lower().removeprefix("."), dpi=150)
    with explained(f"write {path}"):
        disk.write_file(path, content.getvalue())


def _literal(text: str) -> str:
    """A text in which no dollar begins a formula."""
    return "".join(char if char.isprintable() else "?" for char in text).replace("$", r"\$")


def _finite(value: float | None) -> float | None:
    try:
        number = math.nan if value is None else float(value)
    except OverflowError:  # a whole number of hundreds of digits, in a file that dlrun did not write
        return None
    return number if math.isfinite(number) else None
