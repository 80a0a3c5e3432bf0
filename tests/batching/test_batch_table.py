import csv
import io
import statistics
from pathlib import Path
from typing import Any

import pytest

from dlrun.batching.grid import combine
from dlrun.batching.plan import Planned, check_metric, larger_wins, plan_batch
from dlrun.batching.state import RunState
from dlrun.batching.table import Table, make_table
from dlrun.errors import SpecError, UsageError
from dlrun.runs.folder import RunFolder

SPEC = """\
name: small
dataset: {type: builtin, name: digits, validation: 0.1}
model: {type: mlp, units: [4]}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
"""
SCORES = {("32", "0"): 0.9, ("32", "1"): 0.8, ("64", "0"): 0.7, ("64", "1"): 0.95}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SPEC)
    return path


@pytest.fixture
def planned(config: Path) -> tuple[Planned, ...]:
    return plan_batch(combine([config], [], ["training.batch_size=32,64"], "2"))


def ended(planned: Planned, runs: Path, *, stage: Any = "completed", **record: Any) -> RunState:
    folder = RunFolder.create(runs, name="small")
    folder.update_record(status="completed", **record)
    return RunState(planned, stage, folder.path)


def table_of(planned: tuple[Planned, ...], runs: Path, metric: str = "", **scores: dict[str, float]) -> Table:
    states = []
    for each in planned:
        values = dict(each.combination.values)
        score = SCORES[values["training.batch_size"], values["seed"]]
        result = {"test": {"loss": 1 - score, "accuracy": score}, **scores}
        best = {"metric": "val_loss", "value": 2 - score, "epoch": 1, "step": 1}
        states.append(ended(each, runs, result=result, best=best))
    return make_table(states, metric=metric)


def test_runs_are_sorted_by_the_first_metric_on_the_test_split(planned: tuple[Planned, ...], tmp_path: Path) -> None:
    table = table_of(planned, tmp_path / "runs")
    assert (table.metric, table.larger_is_better, table.failed) == ("test_accuracy", True, 0)
    assert [row.score for row in table.rows] == [0.95, 0.9, 0.8, 0.7]


def test_groups_have_mean_and_sample_deviation_over_their_seeds(planned: tuple[Planned, ...], tmp_path: Path) -> None:
    first, second = table_of(planned, tmp_path / "runs").groups
    assert (dict(first.values), dict(second.values)) == ({"training.batch_size": "32"}, {"training.batch_size": "64"})
    assert first.mean == pytest.approx(0.85)
    assert first.deviation == pytest.approx(((0.05**2 + 0.05**2) / 1) ** 0.5)
    assert second.deviation == pytest.approx(statistics.stdev([0.7, 0.95]))
    assert first.runs == len(first.scores) == 2


@pytest.mark.parametrize(
    ("metric", "best"), [("val_loss", 1.05), ("test_loss", 0.05), ("loss", 0.05), ("accuracy", 0.95)]
)
def test_another_metric_sorts_in_its_own_direction(
    planned: tuple[Planned, ...], tmp_path: Path, metric: str, best: float
) -> None:
    assert table_of(planned, tmp_path / "runs", metric).rows[0].score == pytest.approx(best)


def test_without_a_test_split_what_was_monitored_sorts(planned: tuple[Planned, ...], tmp_path: Path) -> None:
    best = {"metric": "val_loss", "value": 0.5, "epoch": 1, "step": 1}
    states = [ended(each, tmp_path / "runs", result={"validation": {"loss": 1.0}}, best=best) for each in planned]
    table = make_table(states)
    assert (table.metric, table.larger_is_better) == ("val_loss", False)
    assert {row.score for row in table.rows} == {0.5}


def test_a_run_without_a_score_comes_last_and_is_left_out_of_the_mean(
    planned: tuple[Planned, ...], tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    good = [ended(each, runs, result={"test": {"accuracy": 0.5}}) for each in planned[1:3]]
    failed = RunState(planned[0], "failed", None, "was killed by signal 9 (SIGKILL)")
    infinite = ended(planned[3], runs, result={"test": {"accuracy": None}})
    table = make_table([failed, *good, infinite])
    assert [row.score for row in table.rows] == [0.5, 0.5, None, None]
    assert table.failed == 1
    assert [(len(group.scores), group.deviation) for group in table.groups] == [(1, None), (1, None)]


def test_the_csv_has_a_line_for_each_run_and_every_score(planned: tuple[Planned, ...], tmp_path: Path) -> None:
    table = table_of(planned, tmp_path / "runs", validation={"accuracy": 0.25})
    rows = list(csv.DictReader(io.StringIO(table.csv())))
    assert len(rows) == 4
    assert rows[0]["training.batch_size"] == "64"
    assert (rows[0]["seed"], rows[0]["status"], rows[0]["test_loss"][:4]) == ("1", "completed", "0.05")
    assert float(rows[0]["mean"]) == pytest.approx(0.825)
    assert rows[0]["validation_accuracy"] == "0.25"


def test_the_table_as_json_tells_the_same(planned: tuple[Planned, ...], tmp_path: Path) -> None:
    plain = table_of(planned, tmp_path / "runs").plain()
    assert plain["metric"] == "test_accuracy"
    assert plain["runs"][0]["values"] == {"training.batch_size": "64", "seed": "1"}
    assert plain["groups"][0]["mean"] == pytest.approx(0.85)


def test_every_problem_of_every_config_is_told_at_once_and_once(config: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(SPEC.replace("units", "unit"))
    with pytest.raises(SpecError) as raised:
        plan_batch(combine([config, other], [], ["training.batch_size=32,none"], "3"))
    told = [problem.what for problem in raised.value.problems]
    assert len(told) == len(set(told)) == 2, told
    assert "unknown key 'unit' in model" in told
    assert "training.batch_size is 'none'" in told


def test_a_numbered_gpu_is_refused(config: Path) -> None:
    with pytest.raises(SpecError, match="each run of a batch is given a GPU of its own"):
        plan_batch(combine([config], ["training.device=gpu:1"], []))


def test_two_combinations_that_are_one_run_are_refused(config: Path) -> None:
    with pytest.raises(UsageError, match="runs 1 and 2 are the same"):
        plan_batch(combine([config], [], ["training.batch_size=32,0x20"]))


def test_a_metric_that_no_run_will_have_is_refused_before_they_are_trained(planned: tuple[Planned, ...]) -> None:
    check_metric("val_accuracy", [planned[0].spec])
    with pytest.raises(UsageError, match="did you mean 'test_accuracy'"):
        check_metric("test_acuracy", [planned[0].spec])


@pytest.mark.parametrize(
    ("metric", "larger"), [("test_accuracy", True), ("test_loss", False), ("train_mean_absolute_error", False)]
)
def test_the_direction_is_that_of_the_metric_whichever_the_split(metric: str, larger: bool) -> None:
    assert larger_wins(metric) is larger
