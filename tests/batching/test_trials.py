"""Trials through a real crew: paused, promoted, and completed by a batch of the same run."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dlrun.batching.backends.local import crew_started
from dlrun.batching.backends.slots import LocalSlots
from dlrun.batching.engine import Engine, EngineOptions, Order
from dlrun.batching.grid import combine
from dlrun.batching.plan import plan_batch
from dlrun.batching.state import RunState, unheard
from dlrun.experiment.trial import Trial
from dlrun.spec.types import Spec

pytestmark = [pytest.mark.tensorflow, pytest.mark.soak]

SMALL = """\
dataset: {type: builtin, name: digits, validation: 0.1}
model: {type: mlp, units: [16], dropout: 0.2}
optimizer: {type: adam, learning_rate: 0.01}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 216, epochs: 5, jit: "off", tensorboard: false}
"""


@dataclass
class Rungs:
    """Pauses every trial after one epoch and after three, and then trains it to its end."""

    orders: list[Order]
    ends: list[tuple[int, str, int]] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return not self.orders

    def next_order(self, fits: Callable[[Spec], bool]) -> Order | None:
        return self.orders.pop(0) if self.orders and fits(self.orders[0].planned.spec) else None

    def ended(self, state: RunState) -> None:
        self.ends.append((state.planned.number, state.stage, state.epoch))
        if state.stage == "paused":
            pause_after = {1: 3, 3: None}[state.epoch]
            self.orders.append(Order(state.planned, Trial("rungs", state.planned.number, pause_after)))


def test_trials_are_promoted_and_a_batch_adds_their_test_scores(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, runs = tmp_path / "small.yaml", tmp_path / "runs"
    config.write_text(SMALL)
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("DLRUN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    planned = plan_batch(combine([Path("small.yaml")], [], [], "3"))
    source = Rungs([Order(each, Trial("rungs", each.number, 1)) for each in planned])
    engine = Engine(source, EngineOptions(Path("runs")), slots=LocalSlots([], cpu=2), listener=unheard)
    with crew_started() as crew:
        engine.go_on(crew)
    assert sorted(source.ends) == [
        (number, stage, epoch)
        for number in (1, 2, 3)
        for stage, epoch in (("completed", 5), ("paused", 1), ("paused", 3))
    ]
    records = [json.loads(path.read_text()) for path in runs.glob("*/run.json")]
    assert [[*record["result"]] for record in records] == [["validation"]] * 3
    assert not [*runs.glob("*/report.html")]

    batch = run("batch", "small.yaml", "--seeds", "3", "--json", folder=tmp_path)
    assert batch.process.returncode == 0, batch.err
    rows = json.loads(batch.out)["runs"]
    assert {row["status"] for row in rows} == {"completed"}
    assert all(row["test_score"] is not None for row in rows)
    assert len([*runs.glob("*/report.html")]) == 3
    again = run("batch", "small.yaml", "--seeds", "3", "--json", folder=tmp_path)
    assert {row["status"] for row in json.loads(again.out)["runs"]} == {"skipped"}
    for row in rows:
        seed = row["values"]["seed"]
        alone = run("train", "small.yaml", "--set", f"seed={seed}", "--json", "--runs-dir", "alone", folder=tmp_path)
        straight = json.loads(alone.out)
        assert (straight["weights_sha256"], straight["result"]) == (row["weights_sha256"], row["result"])
