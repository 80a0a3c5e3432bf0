"""Prints the outcome of a training: its scores, the best epoch, and commands to try next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.cli.display.console import print_json
from dlrun.cli.display.display import Display, displayed
from dlrun.cli.display.format import format_score, format_scores
from dlrun.runs import RUNS_DIR

if TYPE_CHECKING:
    from dlrun.experiment.session import TrainingResult


def run_and_show(
    make_run: Callable[..., TrainingResult],
    subject: object,
    *,
    runs_dir: Path,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Call a function that makes or continues a run, with a display of its progress, and print the outcome.

    Args:
        make_run: A function of the Python API, such as `dlrun.train`.
        subject: Its first argument: a config or a run.
        runs_dir: The folder of the runs.
        quiet: Whether to print only scores, and warnings on stderr.
        as_json: Whether to print the content of run.json instead.
        **options: Its other options.
    """
    with displayed(quiet=quiet or as_json) as display:
        result = make_run(subject, runs_dir=runs_dir, listener=display, **options)
        show_outcome(result, display, runs_dir=runs_dir, as_json=as_json)


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
