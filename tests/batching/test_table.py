import csv
import io
import statistics
from pathlib import Path
from typing import Any

import pytest

from dlrun.batching.grid import combine
from dlrun.batching.plan import Planned, check_metric, describe, larger_wins, plan_batch
from dlrun.batching.state import RunState
from dlrun.batching.table import BatchTable, make_table
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


def table_of(planned: tuple[Planned, ...], runs: Path, metric: str = "", **scores: dict[str, float]) -> BatchTable:
    states = []
    for each in planned:
        values = dict(each.combination.values)
        score = SCORES[values["training.batch_size"], values["seed"]]
        result = {"test": {"loss": 1 - score, "accuracy": score}, **scores}
        best = {"metric": "val_loss", "value": 2 - score, "epoch": 1, "step": 1}
        states.append(ended(each, runs, result=result, best=best))
    return make_table(states, metric=metric)


def test_runs_are_sorted_by_their_monitored_score_and_not_by_the_test_score(
    planned: tuple[Planned, ...], tmp_path: Path
) -> None:
    table = table_of(planned, tmp_path / "runs")
    assert (table.metric, table.larger_is_better, table.failed, table.notes) == ("val_loss", False, 0, ())
    assert [row.score for row in table.rows] == pytest.approx([1.05, 1.1, 1.2, 1.3])
    assert [row.test_score for row in table.rows] == pytest.approx([0.05, 0.1, 0.2, 0.3])
    states = [
        ended(each, tmp_path / "runs", result={"test": {"loss": number}}, best=watched("val_loss", -number))
        for number, each in enumerate(planned)
    ]
    assert [row.test_score for row in make_table(states).rows] == [3, 2, 1, 0]


def test_sorting_by_a_test_score_adds_a_note(planned: tuple[Planned, ...], tmp_path: Path) -> None:
    table = table_of(planned, tmp_path / "runs", "test_accuracy")
    assert [row.score for row in table.rows] == [0.95, 0.9, 0.8, 0.7]
    assert "no longer a fair estimate" in table.notes[0]
    assert table.test_metric is None


def test_a_metric_without_a_split_means_validation_and_never_test(planned: tuple[Planned, ...], tmp_path: Path) -> None:
    table = table_of(planned, tmp_path / "runs", "accuracy")
    assert {row.score for row in table.rows} == {None}
    assert "--metric test_accuracy sorts by the test split" in table.notes[0]
    table = table_of(planned, tmp_path / "other", "accuracy", validation={"accuracy": 0.5})
    assert {row.score for row in table.rows} == {0.5}


def test_groups_have_mean_and_sample_deviation_over_their_seeds(planned: tuple[Planned, ...], tmp_path: Path) -> None:
    first, second = table_of(planned, tmp_path / "runs").groups
    assert (dict(first.values), dict(second.values)) == ({"training.batch_size": "32"}, {"training.batch_size": "64"})
    assert first.scores.mean == pytest.approx(1.15)
    assert first.test_scores.mean == pytest.approx(0.15)
    assert first.scores.deviation == pytest.approx(((0.05**2 + 0.05**2) / 1) ** 0.5)
    assert second.test_scores.deviation == pytest.approx(statistics.stdev([0.7, 0.95]))
    assert first.runs == len(first.scores.scores) == 2


@pytest.mark.parametrize(
    ("metric", "best"),
    [("val_loss", 1.05), ("test_loss", 0.05), ("test_accuracy", 0.95), ("-test_accuracy", 0.7), ("+val_loss", 1.3)],
)
def test_another_metric_sorts_in_its_own_direction(
    planned: tuple[Planned, ...], tmp_path: Path, metric: str, best: float
) -> None:
    assert table_of(planned, tmp_path / "runs", metric).rows[0].score == pytest.approx(best)


def watched(metric: str, value: float) -> dict[str, Any]:
    return {"metric": metric, "value": value, "epoch": 1, "step": 1}


def test_runs_that_monitored_different_scores_are_sorted_by_one_that_all_have(
    planned: tuple[Planned, ...], tmp_path: Path
) -> None:
    names = ("val_loss", "val_accuracy", "val_loss", "val_loss")
    result = {"validation": {"accuracy": 0.5}}
    states = [
        ended(each, tmp_path / "runs", best=watched(name, 0.25), result=result)
        for name, each in zip(names, planned, strict=True)
    ]
    table = make_table(states)
    assert (table.metric, table.larger_is_better) == ("val_accuracy", True)
    assert table.notes == ("the runs monitored val_loss, val_accuracy: they are sorted by val_accuracy",)
    assert [row.score for row in table.rows] == [0.5, 0.5, 0.5, 0.25]


def test_losses_of_different_kinds_are_not_compared(config: Path, tmp_path: Path) -> None:
    grid = ["loss=sparse_categorical_crossentropy,kl_divergence"]
    planned = plan_batch(combine([config], [], grid))
    states = [ended(each, tmp_path / "runs", best=watched("val_loss", 0.25)) for each in planned]
    assert make_table(states).metric == "val_accuracy"


def test_configs_of_the_same_name_in_two_folders_are_separate_groups_with_distinct_labels(tmp_path: Path) -> None:
    configs = [tmp_path / folder / "x.yaml" for folder in ("small", "large")]
    for config, units in zip(configs, ("[4]", "[8]"), strict=True):
        config.parent.mkdir()
        config.write_text(SPEC.replace("name: small\n", "").replace("[4]", units))
    planned = plan_batch(combine(configs, [], [], "2"))
    table = make_table([ended(each, tmp_path / "runs", best=watched("val_loss", 0.5)) for each in planned])
    assert {group.label: group.runs for group in table.groups} == {"small/x": 2, "large/x": 2}
    assert [each.label for each in planned] == ["small/x", "small/x", "large/x", "large/x"]
    assert describe(planned[3]) == "large/x seed=1"


def test_seeds_in_files_of_their_own_are_seeds_of_one_model(tmp_path: Path) -> None:
    configs = [tmp_path / f"x{number}.yaml" for number in range(3)]
    for number, config in enumerate(configs):
        config.write_text(SPEC.replace("name: small", f"seed: {min(number, 1)}"))
    planned = plan_batch(combine(configs[:2], [], []))
    states = [ended(each, tmp_path / "runs", best=watched("val_loss", 0.5)) for each in planned]
    (group,) = make_table(states).groups
    assert (group.label, group.runs) == ("x0 and 1 more", 2)
    # The same seed twice is not two seeds.
    planned = plan_batch(combine(configs, [], []))
    states = [ended(each, tmp_path / "runs", best=watched("val_loss", 0.5)) for each in planned]
    assert [group.runs for group in make_table(states).groups] == [1, 1, 1]


def test_a_renamed_metric_keeps_its_direction_and_a_disagreement_needs_a_sign(tmp_path: Path) -> None:
    configs = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    kinds = ("sparse_categorical_crossentropy", "accuracy")
    for config, kind in zip(configs, kinds, strict=True):
        config.write_text(SPEC.replace("[accuracy]", f"[{{type: {kind}, name: quality}}]"))
    specs = [each.spec for each in plan_batch(combine(configs, [], ["name=x,y"]))]
    assert (larger_wins("val_quality", specs[:1]), larger_wins("val_quality", specs[2:])) == (False, True)
    with pytest.raises(UsageError, match="a larger val_quality is better for some of the configs") as raised:
        check_metric("val_quality", specs)
    assert raised.value.expected == "--metric=+val_quality for the largest, --metric=-val_quality for the smallest"
    check_metric("-val_quality", specs)


def test_without_a_test_split_the_monitored_score_sorts(planned: tuple[Planned, ...], tmp_path: Path) -> None:
    best = watched("val_loss", 0.5)
    states = [ended(each, tmp_path / "runs", result={"validation": {"loss": 1.0}}, best=best) for each in planned]
    table = make_table(states)
    assert (table.metric, table.larger_is_better) == ("val_loss", False)
    assert {row.score for row in table.rows} == {0.5}


def test_a_run_without_a_score_comes_last_and_is_left_out_of_the_mean(
    planned: tuple[Planned, ...], tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    good = [ended(each, runs, best=watched("val_accuracy", 0.5)) for each in planned[1:3]]
    failed = RunState(planned[0], "failed", None, "was killed by signal 9 (SIGKILL)")
    infinite = ended(planned[3], runs, result={"validation": {"accuracy": None}})
    table = make_table([failed, *good, infinite])
    assert [row.score for row in table.rows] == [0.5, 0.5, None, None]
    assert table.failed == 1
    assert [(len(group.scores.scores), group.scores.deviation) for group in table.groups] == [(1, None), (1, None)]


def test_the_csv_has_a_line_per_run_with_every_score(planned: tuple[Planned, ...], tmp_path: Path) -> None:
    table = table_of(planned, tmp_path / "runs", validation={"accuracy": 0.25})
    rows = list(csv.DictReader(io.StringIO(table.csv())))
    assert len(rows) == 4
    assert rows[0]["training.batch_size"] == "64"
    assert (rows[0]["seed"], rows[0]["status"], rows[0]["test_loss"][:4]) == ("1", "completed", "0.05")
    assert float(rows[0]["mean"]) == pytest.approx(1.175)
    assert rows[0]["validation_accuracy"] == "0.25"


def test_the_table_as_json_has_the_same_content(planned: tuple[Planned, ...], tmp_path: Path) -> None:
    plain = table_of(planned, tmp_path / "runs").plain()
    assert plain["metric"] == "val_loss"
    assert plain["runs"][0]["values"] == {"training.batch_size": "64", "seed": "1"}
    assert plain["groups"][0]["mean"] == pytest.approx(1.15)
    assert plain["groups"][0]["test_mean"] == pytest.approx(0.15)


def test_all_problems_of_all_configs_are_reported_together_and_once(config: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(SPEC.replace("units", "unit"))
    with pytest.raises(SpecError) as raised:
        plan_batch(combine([config, other], [], ["training.batch_size=32,none"], "3"))
    told = [problem.what for problem in raised.value.problems]
    assert len(told) == len(set(told)) == 2, told
    assert "unknown key 'unit' in model" in told
    assert "training.batch_size is 'none'" in told


def test_a_numbered_gpu_is_refused(config: Path) -> None:
    with pytest.raises(SpecError, match="a batch assigns a GPU to each run"):
        plan_batch(combine([config], ["training.device=gpu:1"], []))


def test_two_combinations_of_the_same_run_are_refused(config: Path) -> None:
    with pytest.raises(UsageError, match="runs 1 and 2 are the same"):
        plan_batch(combine([config], [], ["training.batch_size=32,0x20"]))


def test_a_metric_that_no_run_will_have_is_refused_before_training(planned: tuple[Planned, ...]) -> None:
    check_metric("val_accuracy", [planned[0].spec])
    with pytest.raises(UsageError, match="did you mean 'test_accuracy'"):
        check_metric("test_acuracy", [planned[0].spec])
