"""The trials of a search as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from dlrun.report.comparison import run_id
from dlrun.report.markup import Markup, fold, join, number, table, tag
from dlrun.search.outcome import SearchOutcome
from dlrun.search.trials import TrialState
from dlrun.system.duration import format_seconds

_MOST_OPEN = 30
_BEST = 10
_STAGES = {"completed": "complete", "equal": "same as another"}
_LETTERS_OF_REASON = 300
_NO_BREAK = "\u00a0"


def trial_tables(outcome: SearchOutcome) -> Iterator[Markup]:
    """Yield the table of all trials; if there are many, below one of the best."""
    others = [trial for trial in outcome.trials if not trial.counts]
    everything = [*outcome.ranked, *others]
    if len(everything) <= _MOST_OPEN:
        if everything:
            yield _table(outcome, everything)
        return
    best = [trial for trial in outcome.ranked if trial.scores][:_BEST]
    if best:
        yield tag("h3", f"The best {len(best)}")
        yield _table(outcome, best)
    yield fold(f"all {len(everything):,} trials, also as CSV: dlrun search show --csv", _table(outcome, everything))


def reasons(trials: Sequence[TrialState]) -> Iterator[tuple[str, int]]:
    """Yield the reasons of trials with their counts, the most frequent first."""
    yield from Counter(trial.reason or "for an unknown reason" for trial in trials).most_common()


def _table(outcome: SearchOutcome, trials: Sequence[TrialState]) -> Markup:
    keys = list(dict.fromkeys(key for trial in trials for key, _ in trial.values))
    names = [objective.name for objective in outcome.objectives]
    has_spread, has_reason = outcome.seeds > 1, any(trial.reason for trial in trials)
    header = ("trial", "status", *names, *(("std",) if has_spread else ()), *keys)
    header = (*header, "epochs", "time", "runs" if has_spread else "run", *(("reason",) if has_reason else ()))
    best = outcome.best
    rows = []
    for trial in trials:
        scores = [number(score) for score in (*trial.scores, *[None] * len(names))[: len(names)]]
        if best is not None and trial.number == best.number:
            scores[0] = tag("b", scores[0])
        values = dict(trial.values)
        rows.append(
            (
                str(trial.number),
                _STAGES.get(trial.stage, trial.stage),
                *scores,
                *((number(trial.deviation),) if has_spread else ()),
                *(values.get(key, "") for key in keys),
                f"{trial.epochs:,}",
                format_seconds(trial.seconds).replace(" ", _NO_BREAK),
                _runs(trial),
                *((_cut(trial.reason),) if has_reason else ()),
            )
        )
    return table(header, rows, is_stacked=True)


def _runs(trial: TrialState) -> Markup:
    return join(tag("div", run_id(run)) for run in trial.runs)


def _cut(reason: str) -> str:
    return reason if len(reason) <= _LETTERS_OF_REASON else reason[:_LETTERS_OF_REASON] + "…"
