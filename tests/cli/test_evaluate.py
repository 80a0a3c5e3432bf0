"""`dlrun eval` as a person runs it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.tensorflow
def test_eval_returns_the_scores_at_the_end_of_training(trained: tuple[Path, Any], dlrun: Any) -> None:
    folder, done = trained
    evaluated = dlrun("eval", "last", "--split", "all", cwd=folder)
    scores_again, scores_then = (
        [line for line in out.splitlines() if re.match(r"(validation|test|naive) +loss", line)]
        for out in (evaluated.out, done.stdout)
    )
    assert len(scores_then) == 4
    # Of three splits now; what no model would reach is told in words at the end of a training.
    assert set(scores_again) >= {line.partition("  (")[0] for line in scores_then}
    scores = json.loads(dlrun("eval", "last", "--checkpoint", "best", "--json", cwd=folder).out)
    assert scores["test"]["accuracy"] > 0.5


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--split", "tset"], "one of train, validation, test, all"),
        (["--checkpoint", "step-1"], "step-000000082"),
        (["--set", "model.units=[3]"], "expected"),
    ],
)
def test_eval_explains_impossible_requests(
    trained: tuple[Path, Any], arguments: list[str], said: str, dlrun: Any
) -> None:
    done = dlrun("eval", "last", *arguments, cwd=trained[0])
    assert done.code in (1, 2)
    assert said in done.err
    assert "Traceback" not in done.err
