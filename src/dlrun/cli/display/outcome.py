"""Prints the outcome of a training: its scores, the best epoch, and commands to try next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.cli.display.console import print_json
from dlrun.cli.display.display import Display
from dlrun.cli.display.format import format_score, format_scores
from dlrun.runs import RUNS_DIR

if TYPE_CHECKING:
    from dlrun.experiment.session import TrainingResult


def show_outcome(result: TrainingResult, display: Display, *, runs_dir: Path, as_json: bool) -> None:
    """Print the scores to stdout and the rest to stderr.

    Args:
        result: The outcome of the training.
        display: The display of the run, which is closed first.
        runs_dir: The folder of the runs, which the suggested commands name unless it is the default.
        as_json: Whether to print the content of run.json instead.
    """
    display.close()
    if not result.is_chief:
        return
    if as_json:
        print_json(result.record)
        return
    console, run_id = display.console, result.folder.id
    console.say()
    for split, scores in result.scores.items():
        console.result(f"{split:<10} {format_scores(scores)}")
        if (naive := result.record["naive"].get(split)) and not console.quiet:
            method = (result.record["baseline"] or {}).get("method", "the last value")
            console.result(f"{'naive':<10} {format_scores(naive)}  ({method})")
            for other, by_split in (result.record["baseline"] or {}).get("weaker", {}).items():
                console.result(f"{'naive':<10} {format_scores(by_split[split])}  ({other})")
    best = result.record["best"]
    if best:
        score = f"{best['metric']} {format_score(best['value'])} in epoch {best['epoch']}"
        console.say(f"best       {score}: {result.folder.best}")
    option = "" if runs_dir == RUNS_DIR else f" --runs-dir {runs_dir}"
    console.say(f"evaluate   dlrun eval {run_id}{option}", is_command=True)
    console.say(f"look       dlrun runs show {run_id}{option}", is_command=True)
