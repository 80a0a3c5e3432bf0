"""What `dlrun predict` takes from the command line, and what it says at its end."""

from __future__ import annotations

import csv
import io
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import typer

from dlrun.cli.clock import BEGAN
from dlrun.cli.display.display import Display
from dlrun.cli.display.format import format_seconds
from dlrun.cli.display.printable import printable

if TYPE_CHECKING:
    from dlrun.prediction.columns import Top
    from dlrun.prediction.output import Written


def parsed_top(text: str | None) -> Top | None:
    """What `--top` says: a number of at least 1, or `all`.

    Raises:
        typer.BadParameter: It is neither.
    """
    if text is None:
        return None
    if text == "all":
        return "all"
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"{text!r} is neither a number of classes nor all", param_hint="--top")
    return int(text)


def parsed_keep(text: str) -> tuple[str, ...]:
    """The columns that `--keep` names, each once; one whose name holds a comma stands in quotation marks."""
    row = next(csv.reader([text], skipinitialspace=True), [])
    return tuple(dict.fromkeys(name.strip() for name in row if name.strip()))


class _Terminal(io.TextIOBase):
    """A person's terminal, which is given no control characters of a file's name or a text."""

    def write(self, text: str) -> int:
        """Write text."""
        sys.stdout.write(printable(text))
        return len(text)


def standard_output() -> TextIO:
    """Where predictions go that go to no file: UTF-8 as it is for a program, printable for a person."""
    if sys.stdout.isatty():
        return _Terminal()  # type: ignore[return-value]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="")
    return sys.stdout


def told(display: Display, written: Written, output: Path | None) -> None:
    """Say how many predictions there are and where, on stderr."""
    sys.stdout.flush()
    where = f": {output}" if output is not None else ""
    display.console.say(f"predicted  {written.rows:,} examples in {format_seconds(time.perf_counter() - BEGAN)}{where}")
    if written.formula:
        said = f"{written.formula!r} and the like are formulas to a spreadsheet: each has an apostrophe before it"
        display.console.warn(f"{said}; --format jsonl and parquet have them as they are")
