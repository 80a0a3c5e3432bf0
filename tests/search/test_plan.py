"""What a search decides before it trains: objectives, rungs, the first point, and whether an earlier one goes on."""

from pathlib import Path

import pytest

from dlrun.errors import UsageError
from dlrun.search.plan import SearchOptions, SearchPlan, check_same_search, head_of, plan_search

CONFIG = """\
dataset: {type: builtin, name: wine, validation: 0.2}
model: {type: mlp, units: [32]}
optimizer: {type: adam, learning_rate: 0.01}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {epochs: 18}
search:
  space:
    optimizer.learning_rate: {low: 1e-4, high: 1e-1, log: true}
    model.units: {choices: [[16], [32]]}
  trials: 5
  halving: {min_epochs: 2, factor: 3}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    return path


def plan(config: Path, *overrides: str) -> SearchPlan:
    return plan_search(SearchOptions(config, overrides))[0]


def test_the_monitored_score_is_the_metric_and_the_config_itself_the_first_point(config: Path) -> None:
    found = plan(config)
    assert [(each.name, each.larger_is_better) for each in found.objectives] == [("val_loss", False)]
    assert found.ladder is not None
    assert found.ladder.epochs == (2, 6, 18)
    assert found.first == {"optimizer.learning_rate": 0.01, "model.units": 1}
    assert found.name == "c"
    assert plan(config, "search.sampler=grid", "search.space={model.units: {choices: [[1], [32]]}}").first is None


def test_another_metric_selects_the_best_epoch_of_each_trial_too_unless_the_config_says_which(config: Path) -> None:
    found = plan(config, "search.metric=val_accuracy")
    assert found.objectives[0].larger_is_better
    assert found.overrides[-1] == "training.monitor=val_accuracy"
    own = plan(config, "search.metric=val_accuracy", "training.monitor=val_loss")
    assert own.overrides == ("training.monitor=val_loss",)  # those of the search are not for its trials


def test_seeds_count_from_that_of_the_config(config: Path) -> None:
    assert plan(config, "seed=7", "search.seeds=3").seeds == (7, 8, 9)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["search=null"], "has no section search"),
        (["seed=4294967295", "search.seeds=2"], "the last seed of a trial would be 4294967296"),
    ],
)
def test_what_cannot_be_searched_is_an_error(config: Path, overrides: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plan(config, *overrides)


def test_only_the_limits_of_a_search_may_change(config: Path) -> None:
    head = head_of(*plan_search(SearchOptions(config)))
    for free in ("search.trials=50", "search.minutes=3", "search.keep_checkpoints=null"):
        assert check_same_search(head, head_of(*plan_search(SearchOptions(config, (free,))))) == ""
    for override, words in {
        "training.batch_size=7": "training.batch_size was 32, and is 7",
        "search.seed=1": "seed was 0, and is 1",
        "search.halving.factor=2": r"rungs was \[2, 6, 18\], and is \[2, 4, 8, 16, 18\]",
    }.items():
        with pytest.raises(UsageError, match=words):
            check_same_search(head, head_of(*plan_search(SearchOptions(config, (override,)))))
    config.write_text(CONFIG.replace("high: 1e-1", "high: 1"))
    with pytest.raises(UsageError, match=r"space\.optimizer\.learning_rate\.high was 0\.1, and is 1\.0"):
        check_same_search(head, head_of(*plan_search(SearchOptions(config))))
