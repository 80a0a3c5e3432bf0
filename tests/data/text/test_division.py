"""Texts are divided by a column, and groups of texts stay on one side of a split."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.data.text.source import Text
from dlrun.errors import DataError


@pytest.fixture
def reviews(tmp_path: Path) -> Any:
    def make(*, last: str = "reader 3,test", weight_: str = "3.9", **keys: Any) -> Text:
        lines = [
            f"r{i % 8} word {i},{'no' if i % 2 else 'yes'},reader {i % 8},{('train', 'Val')[i % 4 == 3]},{i / 10}"
            for i in range(40)
        ]
        lines[-1] = f"the last one,yes,{last},{weight_}"
        (tmp_path / "reviews.csv").write_text("\n".join(["text,label,reader,part,w", *lines]) + "\n")
        return Text(path=str(tmp_path / "reviews.csv"), **keys)

    return make


def sizes(source: Text) -> dict[str, int]:
    return {name: len(split) for name, split in source.load().splits.items()}


def test_a_column_names_the_split_of_each_text(reviews: Any) -> None:
    source = reviews(split="part")
    assert list(source.problems()) == []
    assert sizes(source) == {"train": 30, "validation": 9, "test": 1}
    test = source.load().splits["test"]
    assert test.origins.tolist() == ["the last one"]
    assert "split: 30 for train, 9 for validation, 1 for test, by the column part" in source.load().notes
    with pytest.raises(DataError, match="the column 'part' gives them"):
        reviews(split="part", validation=0.2).load()
    with pytest.raises(DataError, match=r"reviews.csv:41: the split 'part' is 'tset'"):
        reviews(split="part", last="reader 3,tset").load()


def test_groups_of_texts_stay_on_one_side(reviews: Any) -> None:
    splits = reviews(group="reader", test=0.25, last="reader 8,train").load().splits
    readers = {name: {text.split()[0] for text in split.origins} for name, split in splits.items()}
    # The last text has a reader of its own, so nine words begin a text; none begins texts of both splits.
    assert len(readers["train"]) + len(readers["test"]) == len(readers["train"] | readers["test"]) == 9
    assert len(splits["test"]) in (10, 11)
    with pytest.raises(DataError, match=r"reviews.csv:41: the group 'reader' has no value"):
        reviews(group="reader", test=0.25, last=",train").load()
    (problem,) = reviews(group="raeder").problems()
    assert (problem.path, problem.hint) == (("group",), "did you mean 'reader'?")


def test_weights_belong_to_the_text_of_their_row_and_are_read_for_an_evaluation(reviews: Any, tmp_path: Path) -> None:
    dataset = reviews(weight="w", test=0.25).load()
    assert dataset.weight == "w"
    for split in dataset.splits.values():
        expected = [3.9 if "last" in text else int(text.split()[2]) / 10 for text in split.origins]
        np.testing.assert_allclose(split.weight, expected, rtol=1e-6)
    assert any(note.startswith("weight: w (") and "each text" in note for note in dataset.notes)
    raw, file = dataset.raw_input().keeping(("reader",)), tmp_path / "reviews.csv"
    blocks = list(raw.read(str(file), at_once=16, target=dataset.target))
    np.testing.assert_allclose(np.concatenate([block.weight for block in blocks]), np.arange(40) / 10, rtol=1e-6)
    assert blocks[0].kept["reader"][:2] == ["reader 0", "reader 1"]
    file.write_text("text,label,reader\nr1 word,no,x\n")
    (block,) = raw.read(str(file), at_once=16, target=dataset.target)
    assert block.weight is None
    assert "has no weights (column 'w'), so every text counts once" in block.left_out
    with pytest.raises(DataError, match=r"reviews.csv:41: the weight 'w' has no value"):
        reviews(weight="w", weight_="").load()


@pytest.mark.parametrize("key", ["group", "split", "weight"])
def test_generated_texts_have_no_columns(key: str) -> None:
    assert [problem.path for problem in Text.model_validate({"builtin": "moods", key: "a"}).problems()] == [(key,)]
    assert Text.model_validate({"builtin": "moods", key: "a"}).describe() is None
