"""The top of the page of a search: what it found, how good that is, and what it cost."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from dlrun.report.markup import Markup, facts, number, table, tag
from dlrun.search.outcome import SearchOutcome, Winner
from dlrun.search.page.tables import reasons
from dlrun.search.trials import TrialState, mean_of
from dlrun.system.duration import format_seconds

_MARKS = {"good": "✓", "bad": "✗", "open": "–"}  # noqa: RUF001  a dash is intended
_VALIDATION, _TEST = "val_", "test"
_LETTERS_OF_REASON = 160


def headline(outcome: SearchOutcome) -> Iterator[Markup]:
    """Yield the verdicts, the scores of the winner beside a prediction without a model, and the costs."""
    for mood, text in _verdicts(outcome):
        yield tag("p", tag("span", _MARKS[mood], class_="mark"), " ", text, class_=f"verdict {mood}")
    best = outcome.best
    boxes = [*_score_boxes(outcome), *_cost_boxes(outcome)]
    yield tag("div", *(_box(value, name) for value, name in boxes), class_="scores")
    if best is not None and len(outcome.objectives) == 1:
        yield tag("h2", f"Trial {best.number}, the best")
        yield facts(best.values)
        if (winner := current_winner(outcome)) is not None:
            yield from _winner_scores(winner)


def current_winner(outcome: SearchOutcome) -> Winner | None:
    """Return the winner with its scores on held-out data; None if a better trial has been found since."""
    winner, best = outcome.winner, outcome.best
    return winner if winner is not None and best is not None and winner.trial == best.number else None


def costs(outcome: SearchOutcome) -> Markup:
    """Return what the search did and what it cost, as a list."""
    together = sum(trial.seconds for trial in outcome.trials)
    limits = [f"{outcome.wanted:,} trials"] if outcome.wanted is not None else []
    limits += [f"{outcome.minutes:g} minutes"] if outcome.minutes is not None else []
    seeds = f"{outcome.seeds} for each trial; their mean counts" if outcome.seeds > 1 else ""
    return facts(
        (
            ("sampler", outcome.sampler),
            ("limit", " or ".join(limits)),
            ("seeds", seeds),
            ("trials", _counts(outcome)),
            ("time", f"{format_seconds(outcome.seconds)}; its runs trained {format_seconds(together)} together"),
            ("epochs", _epochs(outcome)),
        )
    )


def _verdicts(outcome: SearchOutcome) -> Iterator[tuple[str, str]]:
    best, counted = outcome.best, [trial for trial in outcome.trials if trial.counts]
    failed = [trial for trial in counted if trial.stage == "failed"]
    if best is None:
        what = "every trial failed" if counted and len(failed) == len(counted) else "no trial is complete"
        yield "bad" if failed else "open", f"There is no result: {what}."
    elif len(outcome.objectives) > 1:
        names = ", ".join(objective.name for objective in outcome.objectives)
        yield "good", f"{len(outcome.front)} of {len(counted)} trials are on the Pareto front of {names}."
    else:
        yield "good", f"Trial {best.number} is the best of {len(counted)}: {_validation(outcome, best)}."
    yield from _against_naive(outcome)
    if outcome.is_close():
        yield (
            "open",
            (
                "The first two trials differ by less than the spread of their seeds, so either may be the better one: "
                "more seeds would tell."
            ),
        )
    if not outcome.is_complete:
        yield "open", "The search is not complete: the same command goes on. The test split is scored at its end."
    if failed:
        reason, count = next(reasons(failed))
        share = f"{count} of them" if count < len(failed) else "all"
        text = f"{len(failed)} of {len(counted)} trials failed, {share} with: {reason[:_LETTERS_OF_REASON]}"
        yield "bad" if len(failed) == len(counted) else "open", text
    yield from (("open", note) for note in outcome.notes)


def _against_naive(outcome: SearchOutcome) -> Iterator[tuple[str, str]]:
    """Yield whether the winner is better than a prediction without a model, on the split that nothing was chosen on."""
    winner, objective = current_winner(outcome), outcome.objectives[0]
    if winner is None:
        return
    name = objective.name.removeprefix(_VALIDATION)
    mine = mean_of([scores.get(name) for scores in winner.scores.get(_TEST, ())])
    naive = winner.naive.get(_TEST, {}).get(name)
    if mine is None or naive is None:
        return
    is_better = objective.badness(mine) < objective.badness(naive)
    text = f"{'Better' if is_better else 'Not better'} than {winner.baseline or 'a prediction without a model'} on the "
    yield "good" if is_better else "bad", f"{text}test split: {name} {number(mine)} against {number(naive)}."


def _validation(outcome: SearchOutcome, trial: TrialState) -> str:
    text = f"{outcome.objectives[0].name} {number(trial.scores[0])}"
    if trial.deviation is None:
        return text
    return f"{text} ± {number(trial.deviation)} (mean and standard deviation of {outcome.seeds} seeds)"


def _score_boxes(outcome: SearchOutcome) -> Iterator[tuple[str, str]]:
    best, objective = outcome.best, outcome.objectives[0]
    if best is None:
        return
    arrow = " ↑" if objective.larger_is_better else " ↓"
    yield _with_spread([best.scores[0]], best.deviation), objective.name + arrow
    if (winner := current_winner(outcome)) is not None:
        name = objective.name.removeprefix(_VALIDATION)
        tested = [scores.get(name) for scores in winner.scores.get(_TEST, ())]
        if mean_of(tested) is not None:
            yield _with_spread(tested, _spread(tested)), f"test {name}{arrow}, scored once"
        naive = winner.naive.get(_TEST, {}).get(name)
        if naive is not None:
            yield number(naive), f"test {name} of {winner.baseline or 'a prediction without a model'}"


def _cost_boxes(outcome: SearchOutcome) -> Iterator[tuple[str, str]]:
    yield f"{sum(trial.counts for trial in outcome.trials):,}", "trials"
    yield format_seconds(outcome.seconds), "of searching"
    if outcome.saved_epochs:
        share = outcome.saved_epochs / (outcome.saved_epochs + outcome.trained_epochs)
        yield f"{share:.0%}", "of epochs saved by halving"


def _winner_scores(winner: Winner) -> Iterator[Markup]:
    """Yield a table with every score of the winner on each split."""
    splits = list(winner.scores)
    names = dict.fromkeys(name for of_seeds in winner.scores.values() for scores in of_seeds for name in scores)
    has_naive = any(winner.naive.get(split) for split in splits)
    naive_split = _TEST if winner.naive.get(_TEST) else next(iter(winner.naive), "")
    rows = []
    for name in names:
        columns = [[scores.get(name) for scores in winner.scores[split]] for split in splits]
        cells = [_with_spread(values, _spread(values)) for values in columns]
        naive = [number(winner.naive.get(naive_split, {}).get(name))] if has_naive else []
        rows.append((name, *cells, *naive))
    if rows:
        beside = (f"{winner.baseline or 'without a model'}, {naive_split}",) if has_naive else ()
        yield table(("score", *splits, *beside), rows, is_stacked=True)
        yield tag("p", "The test split was scored once, after the search: nothing was chosen on it.", class_="soft")


def _with_spread(values: Sequence[float | None], deviation: float | None) -> str:
    text = number(mean_of(values))
    return text if deviation is None else f"{text} ± {number(deviation)}"


def _spread(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.stdev(known) if len(known) > 1 and len(known) == len(values) else None


def _counts(outcome: SearchOutcome) -> str:
    names = {
        "completed": "complete",
        "paused": "paused early",
        "running": "running",
        "failed": "failed",
        "rejected": "rejected before training",
        "equal": "equal to another",
    }
    counts = {name: sum(trial.stage == stage for trial in outcome.trials) for stage, name in names.items()}
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _epochs(outcome: SearchOutcome) -> str:
    text = f"{outcome.trained_epochs:,} trained" if outcome.trained_epochs else ""
    return f"{text}, {outcome.saved_epochs:,} saved by halving" if text and outcome.saved_epochs else text


def _box(value: str, name: str) -> Markup:
    return tag("div", tag("b", value), tag("span", name), class_="score")
