"""Made-up outcomes of searches, for tests of what is shown of them."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlrun.search.halving import Ladder
from dlrun.search.outcome import Objective, SearchOutcome, Winner
from dlrun.search.trials import Rung, TrialStage, TrialState

ACCURACY = Objective("val_accuracy", larger_is_better=True)
PARAMETERS = Objective("parameters", larger_is_better=False)
RATE = {"name": "optimizer.learning_rate", "low": 1e-4, "high": 1e-1, "log": True, "step": None, "integer": False}
DROPOUT = {"name": "model.dropout", "low": 0.0, "high": 0.5, "log": False, "step": 0.1, "integer": False}
BATCH = {"name": "training.batch_size", "options": [{"value": each, "parameters": []} for each in (32, 64, 128)]}
DEPTH = {"name": "model[0].depth", "low": 1, "high": 4, "log": False, "step": None, "integer": True}
MODEL = {
    "name": "model",
    "options": [{"value": {"type": "mlp"}, "parameters": [DEPTH]}, {"value": {"type": "linear"}, "parameters": []}],
}
LADDER = Ladder((2, 6, 18), factor=3, larger_is_better=True)


def outcome(*trials: TrialState, **fields: Any) -> SearchOutcome:
    """Return the outcome of a search for the best learning rate, dropout and batch size."""
    given: dict[str, Any] = {
        "name": "digits",
        "folder": Path("runs/searches/digits"),
        "started": "2026-11-28T21:45:00+00:00",
        "objectives": (ACCURACY,),
        "space": [RATE, DROPOUT, BATCH],
        "sampler": "tpe",
        "seeds": 1,
        "wanted": 50,
        "minutes": None,
        "ladder": None,
        "full_epochs": 18,
        "seconds": 20.0 * len(trials),
        "is_complete": True,
    }
    return SearchOutcome(trials=trials, **{**given, **fields})


def trial(number: int, score: float | None = 0.9, *, stage: TrialStage = "completed", **fields: Any) -> TrialState:
    """Return a trial with a point of its own, and one score."""
    generator = random.Random(number)
    point = {
        "optimizer.learning_rate": float(f"{10 ** generator.uniform(-4, -1):.4g}"),
        "model.dropout": round(0.1 * generator.randrange(6), 1),
        "training.batch_size": generator.randrange(3),
    }
    batch = (32, 64, 128)[int(point["training.batch_size"])]
    given: dict[str, Any] = {
        "point": point,
        "values": (*((key, f"{point[key]}") for key in list(point)[:2]), ("training.batch_size", str(batch))),
        "stage": stage,
        "results": ((score,),) if stage == "completed" else (),
        "runs": (f"20261128-2145{number:02d}-digits-{number:04x}",),
        "epochs": 18,
        "seconds": 12.5,
        "ended": 20.0 * number,
    }
    return TrialState(number, **{**given, **fields})


def searched(count: int, **fields: Any) -> SearchOutcome:
    """Return a search whose best learning rate is 0.01, with dropout of little influence; one trial in 20 failed."""
    trials = []
    for number in range(1, count + 1):
        made = trial(number)
        off = math.log10(made.point["optimizer.learning_rate"]) + 2
        noise = random.Random(-number).gauss(0, 0.005)
        score = max(0.1, 0.97 - 0.1 * off**2 - 0.02 * made.point["model.dropout"] + noise)
        if number % 20 == 0:
            made = replace(made, stage="failed", results=(), reason="the loss is not a number in epoch 3", epochs=3)
        else:
            made = replace(made, results=((score,),))
        trials.append(made)
    found = outcome(*trials, **fields)
    best = found.best
    if best is None or len(found.objectives) > 1:
        return found
    scores: dict[str, tuple[dict[str, float | None], ...]]
    scores = {"test": ({"accuracy": 0.951, "loss": 0.17},), "validation": ({"accuracy": best.scores[0], "loss": 0.2},)}
    naive: dict[str, dict[str, float | None]] = {"test": {"accuracy": 0.1, "loss": 2.3}}
    return replace(found, winner=Winner(best.number, best.runs[0], scores, naive, "the most frequent class"))


def halved(count: int) -> SearchOutcome:
    """Return a search with halving: a third of the trials reach 6 epochs, and a ninth is trained to the end."""
    trials = []
    for whole in searched(count).trials:
        if whole.stage == "failed":
            trials.append(whole)
            continue
        score = whole.scores[0] or 0.0
        rungs = tuple(Rung(epochs, (score * (1 - 0.2 / epochs),)) for epochs in (2, 6))
        if whole.number % 9 == 0:
            trials.append(replace(whole, rungs=rungs))
            continue
        reached = 2 if whole.number % 3 == 0 else 1
        paused = replace(whole, stage="paused", results=(), rungs=rungs[:reached], epochs=rungs[reached - 1].epochs)
        trials.append(paused)
    return outcome(*trials, ladder=LADDER)


def with_objectives(count: int) -> SearchOutcome:
    """Return a search for a good and small model."""
    trials = [
        replace(each, results=(*each.results, (float(1000 * 3 ** (each.number % 7) + each.number),)))
        for each in searched(count).trials
        if each.stage == "completed"
    ]
    return outcome(*trials, objectives=(ACCURACY, PARAMETERS))


def conditional(count: int) -> SearchOutcome:
    """Return a search over two models, of which one has a depth."""
    trials = []
    for each in searched(count).trials:
        kind, depth = each.number % 2, 1 + each.number % 4
        below = {} if kind else {"model[0].depth": depth}
        shown = (("model", "linear"),) if kind else (("model", "mlp"), ("model.depth", str(depth)))
        rate = each.point["optimizer.learning_rate"]
        values = (("optimizer.learning_rate", f"{rate:.4g}"), *shown)
        trials.append(replace(each, point={"optimizer.learning_rate": rate, "model": kind, **below}, values=values))
    return outcome(*trials, space=[RATE, MODEL])
