"""A column that names the split of each row is recognised, and is neither a feature nor the target."""

from pathlib import Path

import pytest
import yaml

from dlrun.init_config.draft import Wishes
from dlrun.init_config.write import write_config
from dlrun.spec.parse import read_spec


def drafted(tmp_path: Path, folds: tuple[str, ...], wishes: Wishes | None = None) -> tuple[dict[str, object], str]:
    rows = (f"{i}.5,{'ab'[i % 2]},{'yn'[i % 3 > 0]},{folds[i % len(folds)]}" for i in range(60))
    (tmp_path / "t.csv").write_text("x,c,kind,Fold\n" + "\n".join(rows))
    written = write_config(str(tmp_path / "t.csv"), tmp_path / "t.yaml", wishes or Wishes(), force=True)
    read_spec(written.path)  # it is valid, with the data
    return yaml.safe_load(written.path.read_text())["dataset"], "\n".join(written.messages)


@pytest.mark.parametrize(
    ("folds", "held_out"),
    [
        (("train", "train", "val", "TEST"), set()),
        (("Training", "train", "test"), {"validation"}),
        (("train", "dev"), set()),
    ],
)
def test_the_column_gives_the_splits_that_it_names(folds: tuple[str, ...], held_out: set[str], tmp_path: Path) -> None:
    dataset, messages = drafted(tmp_path, folds)
    assert (dataset["split"], dataset["target"]) == ("Fold", "kind")
    assert {key for key in ("test", "validation") if key in dataset} == held_out
    assert "split: Fold, because its values are train" in messages
    assert "ignored: Fold, because it names the split of each row" in (tmp_path / "t.yaml").read_text()


def test_other_values_and_a_column_to_predict_are_no_splits(tmp_path: Path) -> None:
    assert "split" not in drafted(tmp_path, ("train", "bus"))[0]
    assert "split" not in drafted(tmp_path, ("train",))[0]
    dataset, _ = drafted(tmp_path, ("train", "test"), Wishes(target="Fold"))
    assert dataset["target"] == "Fold"
    assert "split" not in dataset


def test_a_column_that_may_be_a_weight_is_only_mentioned(tmp_path: Path) -> None:
    rows = (f"{i % 7}.5,{i % 5},{(-1) ** i},{'yn'[i % 3 > 0]}" for i in range(60))
    (tmp_path / "t.csv").write_text("x,Sample_Weight,w,kind\n" + "\n".join(rows))
    written = write_config(str(tmp_path / "t.csv"), tmp_path / "t.yaml", Wishes())
    (message,) = [each for each in written.messages if "dataset.weight" in each]
    assert message.startswith("Sample_Weight: a feature; if it is what each row counts, --set dataset.weight=Sample_W")
    assert "weight" not in yaml.safe_load(written.path.read_text())["dataset"]
