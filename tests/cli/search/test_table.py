"""What `dlrun search` prints: trials, the winner beside naive forecasts, and what to do next."""

from pathlib import Path
from typing import Any

import pytest

from dlrun.cli.search.table import show_outcome
from dlrun.search.outcome import read_outcome
from dlrun.search.trials import Trials

HEAD: dict[str, Any] = {
    "event": "search", "name": "s", "started": "", "sampler": "tpe", "space": [], "seeds": 1, "factor": 3,
    "rungs": [1, 3], "epochs": 3, "objectives": [{"name": "val_accuracy", "larger_is_better": True}],
}  # fmt: skip
WINNER = {
    "event": "winner", "trial": 1, "run": "20261128-a-1f", "baseline": "the most frequent class",
    "scores": {"validation": [{"accuracy": 0.9}], "test": [{"accuracy": 0.88}]},
    "naive": {"validation": {"accuracy": 0.5}, "test": {"accuracy": 0.51}},
}  # fmt: skip


def entries() -> list[dict[str, Any]]:
    found = [HEAD]
    found += [
        {"event": "proposed", "trial": number, "point": {}, "values": [["model.units", f"[{number}]"]], "to": 1}
        for number in (1, 2, 3)
    ]
    run = {"runs": ["20261128-a-1f"], "trained": 3, "spent": 2.0}
    found.append({"event": "ended", "trial": 1, "how": "completed", "results": [[0.9]], **run})
    found.append({"event": "rung", "trial": 2, "epochs": 1, "scores": [0.7], **run, "trained": 1})
    found.append({"event": "ended", "trial": 3, "how": "failed", "reason": "the loss became NaN", **run, "trained": 0})
    return found


def shown(capsys: pytest.CaptureFixture[str], found: list[dict[str, Any]]) -> tuple[str, str]:
    show_outcome(read_outcome(Trials(found), Path("runs/searches/s")), csv=None, quiet=False, as_json=False)
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_trials_come_best_first_with_failures_last(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = shown(capsys, entries())
    head, *rows = out.splitlines()[:4]
    assert head.split() == ["trial", "units", "val_accuracy", "epochs", "status", "run"]
    assert [row.split()[0] for row in rows] == ["1", "2", "3"]
    assert rows[0].split() == ["1", "[1]", "0.9000", "3", "completed", "1f"]
    assert "failed     trial 3: the loss became NaN" in out
    assert "halving saved 2 of 6" in out
    assert "--retry 1 trains failed trials again" in err


def test_the_winner_stands_beside_naive_forecasts_of_both_splits(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = shown(capsys, [*entries(), WINNER])
    lines = out.splitlines()
    at = lines.index("validation val_accuracy 0.9000")
    assert lines[at + 1] == "naive      accuracy 0.5000  (the most frequent class)"
    assert lines[at + 2] == "test       accuracy 0.8800"
    assert lines[at + 3] == "naive      accuracy 0.5100  (the most frequent class)"
    assert "dlrun search best s -o best.yaml" in err


def test_the_test_score_of_an_earlier_winner_is_not_that_of_a_better_trial(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, _ = shown(capsys, [*entries(), {**WINNER, "trial": 2}])
    assert "test  " not in out
