"""Prints what a search has found: its trials, the best first, then the winner and what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from dlrun.cli.display.console import Console, output_width, print_json
from dlrun.cli.display.format import format_bytes, format_score, format_scores, format_table
from dlrun.runs import RUNS_DIR
from dlrun.search.outcome import SearchOutcome, Winner
from dlrun.search.trials import TrialState
from dlrun.spec.search.section import COSTS
from dlrun.system.disk import disk, explained
from dlrun.system.duration import format_seconds

_MOST_ROWS = 20
_SHOWN_STAGES: dict[str, str] = {"running": "not ended"}


def show_outcome(outcome: SearchOutcome, *, csv: Path | None, quiet: bool, as_json: bool) -> None:
    """Print the outcome to stdout, and what is no result to stderr.

    Args:
        outcome: The outcome.
        csv: The CSV file to write all trials to; None: none.
        quiet: Whether to print nothing but the results.
        as_json: Whether to print JSON instead.

    Raises:
        RunError: The CSV file cannot be written.
    """
    if csv is not None:
        with explained(f"write {csv}"):
            disk.write_atomically(csv, outcome.csv().encode())
    if as_json:
        print_json(outcome.plain())
        return
    console, width = Console(quiet=quiet), output_width()
    ranked = outcome.ranked
    shown = ranked if width is None else ranked[:_MOST_ROWS]
    if shown:
        head, rows = _rows(outcome, shown)
        console.result(format_table(head, rows, width=width, spare=("std", "seconds", "epochs")))
    if len(shown) < len(ranked):
        console.say(f"{'':<10} and {len(ranked) - len(shown)} more: dlrun search show {outcome.name} --json")
    for line in _summary(outcome):
        console.result(line)
    for note in outcome.notes:
        console.say(f"note       {note}")
    for line in _next(outcome):
        console.say(line, is_command=True)


def _rows(outcome: SearchOutcome, trials: Sequence[TrialState]) -> tuple[Sequence[str], list[Sequence[str]]]:
    keys = list(dict.fromkeys(key for trial in outcome.trials for key, _ in trial.values))
    has_spread, names = outcome.seeds > 1, [each.name for each in outcome.objectives]
    head = ("trial", *(key.rpartition(".")[2] for key in keys), *names, *(("std",) if has_spread else ()))
    rows: list[Sequence[str]] = []
    for trial in trials:
        values, scores = dict(trial.values), (*trial.scores, *([None] * len(names)))[: len(names)]
        spread = (format_score(trial.deviation),) if has_spread else ()
        end = (str(trial.epochs), _stage(outcome, trial), trial.runs[0].rpartition("-")[2] if trial.runs else "")
        own = (values.get(key, "") for key in keys)
        shown = (_value(name, score) for name, score in zip(names, scores, strict=True))
        rows.append((str(trial.number), *own, *shown, *spread, *end))
    return (*head, "epochs", "status", "run"), rows


def _value(name: str, value: float | None) -> str:
    if value is None or name not in COSTS:
        return format_score(value)
    if name == "size_bytes":
        return format_bytes(value)
    return f"{value:,.0f}" if name == "parameters" else f"{value:.2g}"


def _stage(outcome: SearchOutcome, trial: TrialState) -> str:
    if len(outcome.objectives) > 1 and trial in outcome.front:
        return "best"
    return _SHOWN_STAGES.get(trial.stage, trial.stage)


def _summary(outcome: SearchOutcome) -> Iterator[str]:
    yield ""
    counts = Counter[str](trial.stage for trial in outcome.trials)
    order = ("completed", "paused", "running", "failed", "rejected", "equal")
    told = ", ".join(f"{counts[stage]} {_SHOWN_STAGES.get(stage, stage)}" for stage in order if counts[stage])
    yield f"{'search':<10} {outcome.name}: {told}; {format_seconds(outcome.seconds)}"
    if saved := outcome.saved_epochs:
        whole = outcome.trained_epochs + saved
        yield f"{'epochs':<10} {outcome.trained_epochs:,} trained; halving saved {saved:,} of {whole:,}"
    if len(outcome.objectives) > 1 and outcome.front:
        numbers = ", ".join(str(trial.number) for trial in outcome.front)
        names = ", ".join(each.name for each in outcome.objectives)
        yield f"{'best':<10} no other trial is better in all of {names} than each of these: {numbers}"
    if (best := outcome.best) is not None and len(outcome.objectives) == 1:
        values = ", ".join(f"{key} {value}" for key, value in best.values)
        yield f"{'best':<10} trial {best.number}: {values}"
        spread = f" (standard deviation {best.deviation:.2g} over {outcome.seeds} seeds)" if best.deviation else ""
        yield f"{'validation':<10} {outcome.objectives[0].name} {format_score(best.scores[0])}{spread}"
        winner = outcome.winner if outcome.winner is not None and outcome.winner.trial == best.number else None
        if winner is not None and (naive := winner.naive.get("validation")):
            yield f"{'naive':<10} {format_scores(naive)}  ({winner.baseline})"
        if outcome.is_close():
            yield f"{'':<10} the second best trial is within the spread of the seeds: they are equally good"
        yield from _held_out(winner) if winner is not None else ()
    for trial in outcome.trials:
        if trial.stage == "failed":
            yield f"{'failed':<10} trial {trial.number}: {trial.reason}"


def _held_out(winner: Winner) -> Iterator[str]:
    """Yield the scores of the winner on the test split, which were computed once."""
    for split, of_seeds in winner.scores.items():
        if split == "validation":
            continue
        for scores in of_seeds:
            yield f"{split:<10} {format_scores(scores)}"
        if naive := winner.naive.get(split):
            yield f"{'naive':<10} {format_scores(naive)}  ({winner.baseline})"


def _next(outcome: SearchOutcome) -> Iterator[str]:
    runs_dir = outcome.folder.parent.parent
    option = "" if runs_dir == RUNS_DIR else f" --runs-dir {runs_dir}"
    if outcome.best is not None:
        yield f"config     dlrun search best {outcome.name} -o best.yaml{option}"
        run = outcome.winner.run if outcome.winner else outcome.best.runs[0]
        yield f"look       dlrun runs show {run}{option}"
    if any(trial.stage == "failed" for trial in outcome.trials):
        yield "retry      the same command with --retry 1 trains failed trials again"
    report = outcome.folder / "report.html"
    if report.is_file():
        yield f"report     {report}"
