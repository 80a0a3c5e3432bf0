"""Contestant: dlrun's evaluation of the test split, through the library.

    python dlrun_evaluate.py CONFIG [KEY=VALUE ...]

The model is assembled as `dlrun train` does, and scored as it scores it at the end; its weights are the initial ones.
"""

from __future__ import annotations

import sys
from pathlib import Path

from works import Score, report, timed_evaluation

from dlrun.spec.parse import read_spec
from dlrun.training.progress.events import silent
from dlrun.training.setup import assemble

setup = assemble(read_spec(Path(sys.argv[1]), tuple(sys.argv[2:])), listener=silent)
evaluator = setup.evaluator("test")


def evaluate() -> Score:
    """Score the test split."""
    scores = evaluator.scores()
    return {"accuracy": scores["accuracy"]} if "accuracy" in scores else {"mse": scores["loss"]}


score, evaluate_seconds = timed_evaluation(evaluate)
report(
    epoch_seconds=[],
    train_seconds=0.0,
    score=score,
    evaluate_seconds=evaluate_seconds,
    precision=setup.compiled.precision.value,
    parameters=setup.compiled.model.count_params(),
)
