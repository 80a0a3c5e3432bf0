"""The space around a drafted config: it has the config itself, and more and less of each key."""

import csv
from pathlib import Path

import pytest

from dlrun.init_config.draft import ConfigDraft, Key, Wishes
from dlrun.init_config.guess import draft_config
from dlrun.search.auto.config import AutoWishes, write_auto_config
from dlrun.search.auto.spaces import space_around
from dlrun.search.plan import SearchOptions, plan_search


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of classes, a table of numbers, a series and texts."""
    monkeypatch.chdir(tmp_path)
    words = ["good", "bad", "fine", "poor", "great", "awful"]
    for name, head, row in (
        ("classes", ["a", "b", "label"], lambda i: [i * 7 % 13 / 3, i * 5 % 11 / 7, "yes" if i * 7 % 13 > 6 else "no"]),
        ("numbers", ["a", "b", "y"], lambda i: [i * 7 % 13 / 3, i * 5 % 11 / 7, i * 7 % 13 / 3 + 0.1 * (i % 3)]),
        ("series", ["date", "load"], lambda i: [f"2020-{1 + i // 28 % 12:02d}-{1 + i % 28:02d}", 10 + i % 7 + i / 90]),
        ("texts", ["text", "label"], lambda i: [f"a {words[i % 6]} film, take {i}", "pos" if i % 2 else "neg"]),
    ):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([head, *(row(i) for i in range(300))])
    return tmp_path


@pytest.mark.parametrize("data", ["classes.csv", "numbers.csv", "series.csv", "texts.csv"])
def test_the_config_is_valid_and_its_own_values_are_tried_first(files: Path, data: str) -> None:
    write_auto_config(AutoWishes(data, files / "auto.yaml", minutes=5.0))
    plan, section = plan_search(SearchOptions(files / "auto.yaml"))
    assert plan.first is not None
    assert section.keys.minutes == 5
    assert section.space.size is None
    assert plan.name == data.removesuffix(".csv")


def test_learning_rates_are_smaller_and_larger_than_the_drafted_one(files: Path) -> None:
    draft = draft_config(str(files / "classes.csv"), Wishes())
    keys = {each.key: each.values for each in space_around(draft)}
    rate = keys["optimizer.learning_rate"]
    drafted = draft.optimizer.value["learning_rate"] if isinstance(draft.optimizer, Key) else draft.optimizer
    assert rate["low"] < drafted < rate["high"]
    assert rate["log"]


def test_images_vary_width_depth_and_augmentation() -> None:
    blocks = [{"filters": 8, "kernel_size": 3, "padding": "same", "pool_size": 2}]
    draft = ConfigDraft(
        summary="",
        dataset=(Key("type", "images"), Key("augmentation", {"flip": "horizontal", "zoom": 0.1})),
        model=(Key("type", "cnn"), Key("blocks", blocks), Key("dropout", 0.3)),
        loss="",
        metrics=(),
        training=(Key("batch_size", 32),),
    )
    keys = {each.key: each.values.get("choices", []) for each in space_around(draft)}
    own, wider, deeper = keys["model.blocks"]
    assert own == blocks
    assert wider == [{**blocks[0], "filters": 16}]
    assert deeper == [{"filters": 8, "kernel_size": 3, "padding": "same"}, blocks[0]]
    assert {"flip": "horizontal"} in keys["dataset.augmentation"]
    assert keys["training.batch_size"] == [16, 32, 64]
