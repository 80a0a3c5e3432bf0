"""Pages of random searches: whatever a space and its trials are, there is a page whose pictures can be shown."""

import math
import random
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from dlrun.search.halving import Ladder
from dlrun.search.importance import key_importances
from dlrun.search.outcome import Objective, SearchOutcome, Winner
from dlrun.search.page.page import search_page
from dlrun.search.page.process import plain_outcome, read_plain_outcome
from dlrun.search.page.writing import drawings
from dlrun.search.trials import Rung, TrialState
from dlrun.spec.search.space import Categorical, Number, Option, Parameter, Space, shown_values
from search_outcomes import outcome

pytestmark = pytest.mark.soak

NAMES = ("model.units", "größe", "a.b.c.d.e.f", "<b>$x^2$", "\x00\x1b", "n" * 80)


def random_number(generator: random.Random, name: str, path: str) -> Number:
    match generator.randrange(5):
        case 0:
            return Number(name, path, 1e-7, 1e-1, log=True)
        case 1:
            low = generator.randrange(-5, 5)
            return Number(name, path, low, low + generator.randrange(1, 1000), is_integer=True)
        case 2:
            return Number(name, path, 1, 4096, log=True, is_integer=True)
        case 3:
            return Number(name, path, 0.0, 0.7, step=0.1)
        case _:
            return Number(name, path, -1e-9, 1e9)


def random_parameter(generator: random.Random, name: str, path: str, *, depth: int = 0) -> Parameter:
    if depth > 1 or generator.random() < 0.5:
        return random_number(generator, name, path)
    options = []
    for index in range(generator.randrange(2, 15)):
        below = [
            random_parameter(generator, f"{name}[{index}].{key}", f"{path}.{key}", depth=depth + 1)
            for key in generator.sample(NAMES, generator.choice((0, 0, 1)))
        ]
        options.append(Option(generator.choice((index, f"{index}" * 40, [index], None)), f"<{index}>", tuple(below)))
    return Categorical(name, path, tuple(options))


def random_trial(generator: random.Random, number: int, space: Space, scores: int) -> TrialState:
    point = space.choose(lambda _: generator.random())
    stage = generator.choices(["completed", "paused", "failed", "running", "rejected", "equal"], [6, 3, 1, 1, 1, 1])[0]
    worst = generator.choice((1.0, 1.0, 1.0, 1e6, 1e308))
    values = [generator.choice((None, 0.0, worst * generator.random(), generator.random())) for _ in range(scores)]
    rungs = tuple(Rung(epochs, (generator.choice((None, generator.random())),)) for epochs in (1, 3))
    return TrialState(
        number,
        point,
        shown_values(space, point),
        stage=stage,  # type: ignore[arg-type]
        rungs=rungs[: generator.randrange(1, 3)] if stage == "paused" else rungs[: generator.randrange(3)],
        results=tuple((value,) for value in values) if stage == "completed" else (),
        runs=(f"run {number}",),
        epochs=generator.randrange(20),
        seconds=generator.random() * 1e5,
        reason=generator.choice(NAMES) if stage != "completed" else "",
        ended=None if stage == "running" else number * generator.random() * 1000,
    )


def random_search(seed: int) -> SearchOutcome:
    generator = random.Random(seed)
    names = generator.sample(NAMES, generator.randrange(1, len(NAMES)))
    space = Space(tuple(random_parameter(generator, name, name) for name in names))
    objectives = tuple(
        Objective(name, larger_is_better=generator.random() < 0.5)
        for name in generator.choice((["val_loss"], ["val_auc", "parameters"], ["val_<x>", "parameters", "size_bytes"]))
    )
    count = generator.choice((0, 1, 2, 12, 40))
    trials = [random_trial(generator, number, space, len(objectives)) for number in range(1, count + 1)]
    ladder = Ladder((1, 3, 9), 3, larger_is_better=True) if generator.random() < 0.5 else None
    found = outcome(*trials, objectives=objectives, space=space.signature(), ladder=ladder, wanted=None, minutes=1.5)
    best = found.best
    if best is None or generator.random() < 0.5:
        return found
    scores: dict[str, tuple[dict[str, float | None], ...]] = {"test": ({"loss": 0.1, "auc": None},)}
    return replace(found, winner=Winner(best.number, best.runs[0], scores, {"test": {"loss": math.nan}}, "<naive>"))


@pytest.mark.parametrize("seed", range(40))
def test_a_random_search_has_a_page(seed: int) -> None:
    search = random_search(seed)
    importances = key_importances(search)
    assert not importances or math.isclose(sum(importances.values()), 1)
    search = replace(search, importances=importances)
    drawn: list[Any] = list(drawings(search))
    assert all(ET.fromstring(drawing.svg) is not None and drawing.description for drawing in drawn)
    assert "<h2>How to go on</h2>" in search_page(search, drawn)
    again = read_plain_outcome(plain_outcome(search))
    assert again.plain() == search.plain()
