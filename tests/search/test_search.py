"""Whole searches: killed and continued, compared with runs trained alone, scored once, and the commands around them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.tensorflow

CONFIG = """\
# Digits.
name: digits
dataset: {type: builtin, name: digits, validation: 0.1, test: 0.1}
model: {type: mlp, units: [16]}  # small
optimizer: {type: adam, learning_rate: 0.01}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 216, epochs: 4, jit: "off", tensorboard: false, report: false}

# What to try:
search:
  space:
    optimizer.learning_rate: {low: 1e-3, high: 1e-1, log: true}
    model: {choices: [{type: mlp, units: {choices: [[16], [24]]}}, {type: linear}]}
  metric: val_accuracy
  sampler: random
  trials: 4
  halving: {min_epochs: 1, factor: 2}
"""
Records = Callable[[Path], list[dict[str, Any]]]


def ledger(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "runs/searches/digits/ledger.jsonl").read_text().splitlines()]


@pytest.mark.soak  # the decisions are tested without processes in test_source.py, and a killed batch in test_batch.py
def test_a_search_killed_in_the_middle_goes_on_and_its_winner_is_the_run_trained_alone(
    start: Any, run: Any, records: Records, tmp_path: Path
) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG)
    first = start("search", "c.yaml", "--jobs", "1", folder=tmp_path)
    first.wait_until(lambda: "paused      trial 2" in first.err)
    first.kill()
    done = run("search", "c.yaml", "--jobs", "1", "--json", folder=tmp_path)
    assert done.process.returncode == 0, done.err
    assert "Traceback" not in done.err
    outcome = json.loads(done.out)
    stages = [trial["status"] for trial in outcome["trials"]]
    assert len(stages) == 4
    assert stages.count("completed") >= 1
    assert stages.count("paused") >= 1
    assert outcome["saved_epochs"] > 0

    # Nobody but the winner was scored on the test split, and only the losers have lost their checkpoints.
    by_id = {record["id"]: record for record in records(tmp_path)}
    winner = by_id[outcome["winner"]["run"]]
    assert [record["id"] for record in by_id.values() if "test" in record["result"]] == [winner["id"]]
    assert outcome["winner"]["scores"]["test"] == [winner["result"]["test"]]
    assert winner["search"] == {"name": "digits", "trial": outcome["best"]}
    assert winner["reason"] != ""

    # The winner's config trains to the same bits, and shows where its values come from.
    assert run("search", "best", "-o", "best.yaml", folder=tmp_path).process.returncode == 0
    text = (tmp_path / "best.yaml").read_text()
    assert text.startswith("# The best of 4 trials of the search digits: val_accuracy 0.")
    assert "# Digits.\n" in text
    assert "search:" not in text
    alone = run("train", "best.yaml", "--json", "--runs-dir", "alone", folder=tmp_path)
    assert json.loads(alone.out)["weights_sha256"] == winner["weights_sha256"]
    assert json.loads(alone.out)["result"]["test"] == winner["result"]["test"]

    # Another command with as many trials has nothing to do; other keys are refused by name.
    again = run("search", "c.yaml", "--json", folder=tmp_path)
    assert {**json.loads(again.out), "seconds": 0} == {**outcome, "seconds": 0}
    other = run("search", "c.yaml", "--set", "training.batch_size=100", folder=tmp_path)
    assert other.process.returncode == 2
    assert "training.batch_size was 216, and is 100" in other.err

    listed = json.loads(run("search", "ls", "--json", folder=tmp_path).out)
    assert [(each["name"], each["status"], each["trials"]) for each in listed] == [("digits", "complete", 4)]
    found = json.loads(run("runs", "ls", "--where", "search=digits", "--json", folder=tmp_path).out)
    assert len(found) == len(by_id)
    removed = run("search", "rm", "digits", "--runs", "--yes", folder=tmp_path)
    assert removed.process.returncode == 0, removed.err
    assert not records(tmp_path)
    assert not (tmp_path / "runs/searches/digits").exists()


def test_two_searches_of_one_name_do_not_run_at_once(start: Any, run: Any, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG)
    first = start("search", "c.yaml", folder=tmp_path)
    first.wait_until((tmp_path / "runs/searches/digits/ledger.jsonl").exists)
    second = run("search", "c.yaml", folder=tmp_path)
    assert second.process.returncode == 1
    assert f"the search digits is held by process {first.process.pid}" in second.err
