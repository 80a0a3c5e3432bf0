"""Draws curves with characters: braille dots with a dash pattern for each curve, or ASCII marks."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len

from dlrun.cli.display.format import format_score
from dlrun.cli.display.lines import shorten
from dlrun.cli.display.printable import printable_cell
from dlrun.runs.compare.curves import Curve, curve_of

WIDTH, HEIGHT = 60, 10
_FEWEST_EPOCHS = 3
_BRAILLE, _COLUMNS, _ROWS = 0x2800, 2, 4
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_MARKS = "*+ox#%@&"
# The dash pattern of each curve: the number of dots drawn, then the number of dots skipped.
_DASHES = ((1, 0), (1, 2), (6, 3), (3, 3), (1, 5), (9, 6))
_AXIS = {True: "│", False: "|"}
_FACTOR_FOR_LOGARITHM = 30
_LONGEST_LABEL = 60
_SAMPLE_CELLS = 3
_MARGIN = 13
"""Cells to the left of the frame, for the values and the axis."""
_NARROWEST = 16


class _Scale(NamedTuple):
    """Maps values to places between 0 (the lowest value) and 1 (the highest)."""

    low: float
    high: float
    is_logarithmic: bool

    def place(self, value: float) -> float:
        if self.high == self.low:
            return 0.5
        # Halved, so that the difference between two huge values of opposite sign is not infinite.
        low, high, at = (math.log(x) if self.is_logarithmic else x / 2 for x in (self.low, self.high, value))
        return (at - low) / (high - low)

    def value(self, place: float) -> float:
        if self.is_logarithmic:
            return math.exp(math.log(self.low) * (1 - place) + math.log(self.high) * place)
        # Not low + place * (high - low), whose difference can be infinite.
        return self.low * (1 - place) + self.high * place


class HorizontalAxis(NamedTuple):
    """The horizontal axis of curves."""

    name: str = "epoch"
    is_logarithmic: bool = False


_EPOCHS = HorizontalAxis()


def draw_curves(
    curves: Mapping[str, Curve],
    *,
    braille: bool,
    width: int = WIDTH,
    height: int = HEIGHT,
    columns: int | None = None,
    axis: HorizontalAxis = _EPOCHS,
) -> list[str]:
    """Draw all curves in one frame, with name and last value at the end of each curve.

    Args:
        curves: The curves by name. A value of None leaves a gap.
        braille: Whether to draw with braille characters of 2 x 4 dots, or with ASCII.
        width: The width of the frame in characters, without labels; with `columns` it may become smaller.
        height: The height of the frame in lines, without the epoch axis.
        columns: The width of the terminal; None: lines may have any width.
        axis: The horizontal axis.

    Returns:
        The lines; none if there is nothing to draw.
    """
    finite = [value for curve in curves.values() for _, value in curve if value is not None]
    if not finite:
        return []
    low, high = min(finite), max(finite)
    scale = _Scale(low, high, low > 0 and high / low >= _FACTOR_FOR_LOGARITHM)
    points = [point for curve in curves.values() for point, _ in curve]
    span = _Scale(min(points), max(points), axis.is_logarithmic)
    labels = [f"{printable_cell(name)[:_LONGEST_LABEL]} {format_score(_last(curve))}" for name, curve in curves.items()]
    if columns is not None:
        width, labels = _shares(columns - _MARGIN - _SAMPLE_CELLS - 3, width, labels)
    cells = [[" "] * width for _ in range(height)]
    ends: list[tuple[int, str]] = []
    for number, curve in enumerate(curves.values()):
        dash, grid = _DASHES[number % len(_DASHES)], (width * _COLUMNS, height * _ROWS)
        # In ASCII the mark already tells the curves apart, and cells are too coarse for dashes.
        dots = _dashed(curve, span, scale, *((dash, grid) if braille else ((1, 0), (width, height))))
        _put(cells, dots, braille=braille, mark=_MARKS[number % len(_MARKS)])
        last = _last(curve)
        if last is not None:
            sample = _sample(number) if braille else _MARKS[number % len(_MARKS)]
            row = height - 1 - round(scale.place(last) * (height - 1))
            ends.append((row, f"{sample} {labels[number]}"))
    return [*_frame(cells, scale, ends, braille=braille), _below(axis, span, scale, width)]


def learning_curve(
    rows: Sequence[Mapping[str, float | None]], *, encoding: str | None, columns: int | None = None
) -> list[str]:
    """Draw training and validation loss by epoch.

    Args:
        rows: The rows of metrics.jsonl.
        encoding: The encoding of the stream that the lines are printed to.
        columns: The width of the terminal; None: lines may have any width.

    Returns:
        The lines; none if there are fewer than 3 epochs.
    """
    curves = {name: curve for name in ("loss", "val_loss") if (curve := curve_of(rows, name))}
    if max(map(len, curves.values()), default=0) < _FEWEST_EPOCHS:
        return []
    return draw_curves(curves, braille=takes_braille(encoding), columns=columns)


def takes_braille(encoding: str | None) -> bool:
    """Return whether a stream with this encoding can show braille characters on this terminal."""
    if os.environ.get("TERM") == "linux":  # the font of the Linux text console has no braille
        return False
    try:
        chr(_BRAILLE).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _last(curve: Curve) -> float | None:
    return next((value for _, value in reversed(curve) if value is not None), None)


def _shares(columns: int, width: int, labels: Sequence[str]) -> tuple[int, list[str]]:
    """Divide the columns between frame and labels; return the width of the frame and the shortened labels."""
    # The frame shrinks first, down to its minimum. Then the names are cut, but never the scores.
    longest = max(map(cell_len, labels))
    width = max(_NARROWEST, min(width, columns - longest))
    room = max(0, columns - width)
    names = (label.rpartition(" ") for label in labels)
    return width, [f"{shorten(name, max(0, room - 1 - len(score)))} {score}".strip() for name, _, score in names]


def _dashed(
    curve: Curve, span: _Scale, scale: _Scale, dash: tuple[int, int], grid: tuple[int, int]
) -> Iterator[tuple[int, int]]:
    """Yield the dots of a curve as (x, y), counted from the top left."""
    drawn, left_out = dash
    before: tuple[int, int] | None = None
    length = 0
    for epoch, value in curve:
        if value is None:
            # A gap is not bridged, but the dash pattern goes on behind it.
            before = None
            continue
        here = round(span.place(epoch) * (grid[0] - 1)), round((1 - scale.place(value)) * (grid[1] - 1))
        for dot in _line(before or here, here):
            if length % (drawn + left_out) < drawn:
                yield dot
            length += 1
        before = here


def _line(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the dots from `start` to `end`, without `start` unless both are the same dot."""
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
    for step in range(min(1, steps), steps + 1):
        part = step / steps if steps else 0.0
        yield round(start[0] + part * (end[0] - start[0])), round(start[1] + part * (end[1] - start[1]))


def _put(cells: list[list[str]], dots: Iterator[tuple[int, int]], *, braille: bool, mark: str) -> None:
    for x, y in dots:
        if not braille:
            # A cell holds one mark, so the first curve keeps it. Braille dots of several curves are merged instead.
            cells[y][x] = mark if cells[y][x] == " " else cells[y][x]
            continue
        row, column = y // _ROWS, x // _COLUMNS
        before = 0 if cells[row][column] == " " else ord(cells[row][column]) - _BRAILLE
        cells[row][column] = chr(_BRAILLE + (before | _DOTS[x % _COLUMNS][y % _ROWS]))


def _sample(number: int) -> str:
    """Return three cells with the dash pattern of a curve, for its label."""
    cells = [[" "] * _SAMPLE_CELLS]
    drawn, left_out = _DASHES[number % len(_DASHES)]
    dots = ((x, 1) for x in range(_SAMPLE_CELLS * _COLUMNS) if x % (drawn + left_out) < drawn)
    _put(cells, dots, braille=True, mark="")
    return "".join(cells[0])


def _frame(cells: list[list[str]], scale: _Scale, ends: list[tuple[int, str]], *, braille: bool) -> list[str]:
    height = len(cells)
    labels: dict[int, str] = {}
    for wanted, label in sorted(ends):
        # Curves may end in the same row: each label takes the nearest row that is free.
        free = sorted((abs(row - wanted), row) for row in range(height) if row not in labels)
        if free:
            labels[free[0][1]] = label
    lines = []
    for row, line in enumerate(cells):
        # If all values are equal, the other ticks would repeat the one in the middle.
        has_tick = row in (0, height // 2, height - 1) and (scale.high != scale.low or row == height // 2)
        tick = format_score(scale.value(1 - row / (height - 1))) if has_tick else ""
        lines.append(f"{tick:>11} {_AXIS[braille]}{''.join(line)} {labels.get(row, '')}".rstrip())
    return lines


def _below(axis: HorizontalAxis, span: _Scale, scale: _Scale, width: int) -> str:
    right = f"{axis.name} {span.high:g}" + (", logarithmic" if scale.is_logarithmic else "")
    return f"{'':>13}{span.low:g}{right:>{max(1, width - len(f'{span.low:g}'))}}"
