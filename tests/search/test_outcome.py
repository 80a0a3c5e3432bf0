"""What follows from a ledger: ranks, the Pareto front, spreads, and the plain forms."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from dlrun.search.outcome import SearchOutcome, read_outcome
from dlrun.search.trials import Trials

HEAD = {
    "event": "search", "name": "s", "started": "2026-11-28", "sampler": "tpe", "space": [], "factor": 3,
    "rungs": [1, 3], "epochs": 3,
}  # fmt: skip


def outcome(results: list[list[list[float | None]]], *, names: str = "val_loss", seeds: int = 1) -> SearchOutcome:
    """A search whose complete trials have these values, for each objective one per seed."""
    objectives = [{"name": name, "larger_is_better": "accuracy" in name} for name in names.split()]
    entries: list[dict[str, Any]] = [{**HEAD, "objectives": objectives, "seeds": seeds}]
    for number, values in enumerate(results, start=1):
        entries.append({"event": "proposed", "trial": number, "point": {"x": number}, "values": [["x", str(number)]]})
        runs = [f"run{number}-{seed}" for seed in range(seeds)]
        end = {"how": "completed", "results": values, "runs": runs, "trained": 3 * seeds, "spent": 1.0}
        entries.append({"event": "ended", "trial": number, "seconds": float(number), **end})
    return read_outcome(Trials(entries), Path("runs/searches/s"))


def test_the_smallest_loss_and_the_largest_accuracy_win_and_undefined_scores_are_last() -> None:
    assert [trial.number for trial in outcome([[[0.5]], [[0.2]], [[None]]]).ranked] == [2, 1, 3]
    best = outcome([[[0.5]], [[0.7]]], names="val_accuracy").best
    assert best is not None
    assert best.number == 2
    assert outcome([[[None]]]).best is None


def test_the_front_has_the_trials_that_no_other_beats_in_all_objectives() -> None:
    found = outcome([[[0.9], [100]], [[0.8], [10]], [[0.8], [20]], [[0.7], [5]]], names="val_accuracy parameters")
    assert [trial.number for trial in found.front] == [1, 2, 4]


def test_the_best_two_are_close_if_their_seeds_spread_more_than_they_differ() -> None:
    assert outcome([[[0.5, 0.6]], [[0.51, 0.61]]], seeds=2).is_close() is True
    assert outcome([[[0.50, 0.501]], [[0.7, 0.701]]], seeds=2).is_close() is False
    assert outcome([[[0.5]], [[0.6]]]).is_close() is None


def test_a_paused_trial_is_ranked_below_those_that_are_complete_and_saves_epochs() -> None:
    entries = [{**HEAD, "objectives": [{"name": "val_loss", "larger_is_better": False}], "seeds": 1}]
    entries += [{"event": "proposed", "trial": number, "point": {}, "values": [], "to": 1} for number in (1, 2)]
    paused = {"epochs": 1, "scores": [0.1], "runs": ["a"], "trained": 1, "spent": 0.5}
    complete = {"how": "completed", "results": [[0.3]], "runs": ["b"], "trained": 3, "spent": 1.5}
    entries += [{"event": "rung", "trial": 1, **paused}, {"event": "ended", "trial": 2, **complete}]
    found = read_outcome(Trials(entries), Path())
    assert [trial.number for trial in found.ranked] == [2, 1]
    assert (found.trained_epochs, found.saved_epochs) == (4, 2)


def test_json_and_csv_have_every_trial() -> None:
    found = outcome([[[0.5]], [[0.2]]])
    assert [trial["scores"] for trial in json.loads(json.dumps(found.plain()))["trials"]] == [
        {"val_loss": 0.5},
        {"val_loss": 0.2},
    ]
    rows = list(csv.DictReader(io.StringIO(found.csv())))
    assert [(row["trial"], row["x"], row["val_loss"]) for row in rows] == [("1", "1", "0.5"), ("2", "2", "0.2")]


def test_the_time_of_a_search_does_not_count_the_pauses_between_commands() -> None:
    entries = [{**HEAD, "objectives": [{"name": "val_loss", "larger_is_better": False}], "seeds": 1, "seconds": 0.0}]
    entries += [{"event": "session", "seconds": 0.0}, {"event": "closed", "why": "interrupted", "seconds": 40.0}]
    entries += [{"event": "session", "seconds": 0.0}, {"event": "closed", "why": "done", "seconds": 2.0}]
    assert Trials(entries).seconds == pytest.approx(42.0)
