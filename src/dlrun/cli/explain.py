"""The command `dlrun explain RUN INPUT...`, which shows important columns, words or pixels."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dlrun.cli.display.terminal import tell
from dlrun.cli.options import AsJson, Checkpoint, Quiet, Run, RunsDir, TrustPlugins
from dlrun.errors import UsageError
from dlrun.runs import RUNS_DIR

if TYPE_CHECKING:
    from dlrun.explanation.columns import ColumnImportances
    from dlrun.explanation.examples import ExampleExplanation

_Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUT...",
        help="Files, folders, globs, or - for standard input.",
        show_default="the test split, for columns",
    ),
]
_Method = Annotated[Literal["auto", "grad_cam", "smooth_grad"], typer.Option(help="The method for images and sound.")]
_About = Annotated[str, typer.Option(metavar="NAME", help="The class or value to explain. Default: the predicted one.")]
_Limit = Annotated[int, typer.Option(min=1, metavar="N", help="Images, recordings or texts to explain, at most.")]
_Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="The folder for pictures (default: explained), or a .csv or .jsonl file."),
]

_WORDS = 12


def explain(
    run: Run,
    sources: _Sources = None,
    *,
    about: _About = "",
    method: _Method = "auto",
    limit: _Limit = 20,
    output: _Output = None,
    checkpoint: Checkpoint = "final",
    runs_dir: RunsDir = RUNS_DIR,
    trust_plugins: TrustPlugins = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Show which pixels, words or columns the predictions use.

    For tables, it prints how much each column matters; for texts, the words with the largest influence; for images and
    sound, it draws a heat map over each picture or spectrogram.
    """
    import dlrun
    from dlrun.cli.display.display import displayed

    with displayed(quiet=quiet or as_json) as display:
        found = dlrun.explain(
            run,
            sources or None,
            about=about,
            method=method,
            limit=limit,
            checkpoint=checkpoint,
            trust_plugins=trust_plugins,
            runs_dir=runs_dir,
            listener=display,
        )
        if found.columns is not None:
            show_columns(found.columns, output, as_json=as_json)
        else:
            show_examples(found.examples, output or Path("explained"), as_json=as_json)


def show_columns(found: ColumnImportances, output: Path | None, *, as_json: bool) -> None:
    """Print the importance of each column, and write it to a file if one is given.

    Args:
        found: The importances.
        output: A .csv, .jsonl or .json file; None: none is written.
        as_json: Whether to print JSON instead of a table.

    Raises:
        UsageError: The file has another suffix.
        RunError: The file cannot be written.
    """
    from dlrun.cli.display.console import print_json
    from dlrun.cli.display.format import format_score, format_table
    from dlrun.scoring.importances import TURNS

    if output is not None:
        _write_columns(found, output)
    if as_json:
        print_json(asdict(found))
        return
    heading = f"adds to the {found.measure}" if found.method == "reconstruction" else f"{found.measure} rises by"
    if found.method == "permutation":
        cells = [
            (each.column, format_score(each.mean), f"{format_score(each.low)} to {format_score(each.high)}")
            for each in found.importances
        ]
        typer.echo(format_table(("column", heading, "95 % interval"), cells))
    else:
        rows = [(each.column, format_score(each.mean), format_score(each.deviation)) for each in found.importances]
        typer.echo(format_table(("column", heading, "+-"), rows))
    how = "by replacing the values of one column at a time with those of rows of the training split"
    if found.method == "permutation":
        how = f"by shuffling the values of one column at a time, {TURNS} times"
    where = f" of the {found.split} split" if found.split else ""
    tell(f"\nmeasured on {found.examples:,} example{'s' if found.examples > 1 else ''}{where}, {how}")


def show_examples(found: Iterable[ExampleExplanation], folder: Path, *, as_json: bool) -> None:
    """Write a picture or print the most important words for each example."""
    from dlrun.cli.display.console import print_json

    plain = []
    for number, each in enumerate(found, start=1):
        # An explained text has weights of its words instead of a heat map.
        path = _write(each, folder, number) if each.heat.size else None
        plain.append(_plain(each, path))
        if not as_json:
            typer.echo(_line(each, path))
    if as_json:
        print_json(plain)


def _write_columns(found: ColumnImportances, path: Path) -> None:
    from dlrun.system.disk import disk, explained
    from dlrun.system.spreadsheet import csv_text

    rows = [{**asdict(each), "measure": found.measure, "examples": found.examples} for each in found.importances]
    if path.suffix.lower() == ".csv":
        text = csv_text([list(rows[0]), *(list(row.values()) for row in rows)])
    elif path.suffix.lower() in (".jsonl", ".ndjson"):
        text = "".join(json.dumps(row) + "\n" for row in rows)
    elif path.suffix.lower() == ".json":
        text = json.dumps(rows, indent=2) + "\n"
    else:
        raise UsageError(f"cannot tell the format of {path}", expected="a name that ends in .csv, .jsonl or .json")
    with explained(f"write {path}"):
        disk.write_atomically(path, text.encode())


def _write(each: ExampleExplanation, folder: Path, number: int) -> Path:
    from dlrun.explanation.pixels import overlay
    from dlrun.system.disk import disk, explained

    # The number keeps pictures apart that have the same file name in different folders.
    stem = re.sub(r"[^\w.-]+", "_", Path(each.name).stem)[:60] or "example"
    path = folder / f"{number:03d}-{stem}.png"
    with explained(f"write {path}"):
        disk.make_folders(folder)
        disk.write_atomically(path, overlay(each.picture, each.heat))
    return path


def _line(each: ExampleExplanation, path: Path | None) -> str:
    from dlrun.cli.display.format import format_score
    from dlrun.cli.display.printable import printable_cell

    head = f"{printable_cell(each.name)}  {printable_cell(each.explained)} {format_score(each.prediction)}"
    if path is not None:
        return f"{head}  {each.method}  {path}"
    strongest = sorted(each.weights, key=lambda pair: -abs(pair[1]))[:_WORDS]
    return head + "".join(f"\n    {weight:+.4f}  {printable_cell(word)}" for word, weight in strongest)


def _plain(each: ExampleExplanation, path: Path | None) -> dict[str, Any]:
    plain: dict[str, Any] = {"name": each.name, "explained": each.explained, "prediction": each.prediction}
    plain["checkpoint"] = each.checkpoint
    if path is not None:
        return {**plain, "method": each.method, "picture": str(path)}
    return {**plain, "method": each.method, "words": [list(pair) for pair in each.weights]}
