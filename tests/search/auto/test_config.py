"""The config that `dlrun auto` writes: a metric, another file in its place, the same command again."""

from pathlib import Path

import pytest

from dlrun.errors import UsageError
from dlrun.init_config.draft import ConfigDraft, Key
from dlrun.search.auto.config import AutoWishes, with_metric, with_more_validation, write_auto_config


@pytest.fixture
def wishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AutoWishes:
    monkeypatch.chdir(tmp_path)
    rows = "\n".join(f"{i * 7 % 13 / 3},{i * 5 % 11},{'yes' if i * 7 % 13 > 6 else 'no'}" for i in range(200))
    (tmp_path / "t.csv").write_text("a,b,label\n" + rows)
    return AutoWishes("t.csv", tmp_path / "auto.yaml", minutes=2.0, metric="auc")


def test_the_same_command_finds_its_own_file_and_another_file_is_not_overwritten(wishes: AutoWishes) -> None:
    write_auto_config(wishes)
    text = wishes.path.read_text()
    assert "metric: val_auc" in text
    write_auto_config(wishes)
    assert wishes.path.read_text() == text
    wishes.path.write_text(text + "# mine\n")
    with pytest.raises(UsageError, match="exists"):
        write_auto_config(wishes)
    assert wishes.path.read_text().endswith("# mine\n")


def test_a_metric_is_added_and_one_that_is_misspelt_or_of_another_split_is_an_error() -> None:
    draft = ConfigDraft("", (), (), "", ("accuracy",), ())
    assert with_metric(draft, "val_f1_score").metrics == ("accuracy", "f1_score")
    assert with_metric(draft, "loss") is draft
    with pytest.raises(UsageError, match="no metric 'acuracy'") as error:
        with_metric(draft, "acuracy")
    assert "accuracy" in str(error.value)
    with pytest.raises(UsageError, match="not a score of the validation split"):
        with_metric(draft, "test_accuracy")


def test_a_small_validation_split_becomes_a_fifth_except_that_of_a_series() -> None:
    texts = ConfigDraft("", (Key("type", "text"), Key("validation", 0.1), Key("test", 0.2)), (), "", (), ())
    assert [line.value for line in with_more_validation(texts).dataset if isinstance(line, Key)] == ["text", 0.2, 0.2]
    series = ConfigDraft("", (Key("type", "series"), Key("validation", 0.1)), (), "", (), ())
    assert with_more_validation(series) is series
