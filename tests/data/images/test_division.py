"""Images of a list are divided by a column, stay in their groups, and count by their weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.data.division.folds import Fold
from dlrun.data.images.source import Images
from dlrun.errors import DataError
from dlrun.signature import Target
from pictures import blocks, png, write_classes

pytestmark = pytest.mark.tensorflow

LIST = "scans.csv"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    lines = []
    for number in range(24):
        (folder / f"{number:02}.png").write_bytes(png(blocks(8, 8, seed=number)))
        part = ("train", "Val", "train", "test")[number % 4]
        lines.append(f"{number:02}.png,{'ab'[number % 2]},patient {number // 4},{part},{number / 10}")
    (folder / LIST).write_text("\n".join(["path,label,patient,part,w", *lines]) + "\n")
    return folder


def scans(folder: Path, **keys: Any) -> Images:
    return Images.model_validate({"path": str(folder / LIST), **keys})


def numbers(source: Images) -> dict[str, list[int]]:
    return {name: [int(origin[:2]) for origin in split.origins] for name, split in source.load().splits.items()}  # type: ignore[union-attr]


def test_a_column_names_the_split_of_each_image(folder: Path) -> None:
    source = scans(folder, split="part")
    assert list(source.problems()) == []
    found = numbers(source)
    assert found["test"] == [3, 7, 11, 15, 19, 23]
    assert {name: len(of) for name, of in found.items()} == source.describe().examples  # type: ignore[union-attr]
    assert "split: 12 for train, 6 for validation, 6 for test, by the column part" in source.load().notes
    with pytest.raises(DataError, match="the column 'part' gives them"):
        scans(folder, split="part", test=0.5).load()
    assert [problem.path for problem in scans(folder, split="part", test=0.5).problems()] == [("test",)]


def test_images_of_a_group_stay_on_one_side_also_in_folds(folder: Path) -> None:
    source = scans(folder, group="patient", test=0.2, fold=Fold(index=0, count=3))
    source.check_fold()
    patients = {name: {number // 4 for number in of} for name, of in numbers(source).items()}
    assert sum(map(len, patients.values())) == len(set.union(*patients.values())) == 6
    assert source.describe().examples["test"] == 4 * len(patients["test"])  # type: ignore[union-attr]
    with pytest.raises(DataError, match="of 'patient' are in both the train split and the validation split"):
        scans(folder, group="patient", split="part").load()


def test_weights_belong_to_the_image_of_their_row_and_are_read_for_an_evaluation(folder: Path, tmp_path: Path) -> None:
    source = scans(folder, weight="w", test=0.25)
    dataset = source.load()
    for name, found in numbers(source).items():
        weight: Any = dataset.splits[name].weight
        np.testing.assert_allclose(weight, np.array(found) / 10, rtol=1e-6)
    assert dataset.weight == "w"
    assert dataset.fingerprint != scans(folder, test=0.25).load().fingerprint
    target = Target("classes", 2, ("a", "b"))
    blocks_read = list(dataset.raw_input().read(str(folder / LIST), at_once=7, target=target))
    weights = np.concatenate([block.weight for block in blocks_read if block.weight is not None])
    np.testing.assert_allclose(weights, np.arange(24) / 10, rtol=1e-6)
    assert all(not block.kept for block in blocks_read)
    without = next(dataset.raw_input().read(str(write_classes(tmp_path, side=8)), at_once=7, target=target))
    assert "has no weights (column 'w'), so every image counts once" in without.left_out
    negative = folder / "negative.csv"
    negative.write_text((folder / LIST).read_text().replace(",2.3", ",-1"))
    with pytest.raises(DataError, match=r"line 25: 23.png: the weight 'w' is '-1'"):
        Images(path=str(negative), weight="w").load()


def test_a_folder_has_no_columns_and_a_list_may_lack_one(folder: Path, tmp_path: Path) -> None:
    write_classes(tmp_path)
    found = list(Images(path=str(tmp_path), group="patient", split="part").problems())
    assert [problem.path for problem in found] == [("group",), ("split",)]
    assert all("which has no columns" in problem.what for problem in found)
    assert "folders train, validation and test" in found[1].hint
    beside = list(scans(folder, weight="w", test_path=str(tmp_path)).problems())
    assert [problem.path for problem in beside] == [("weight",)]
    (problem,) = scans(folder, group="patent").problems()
    assert (problem.path, problem.hint) == (("group",), "did you mean 'patient'?")
    (problem,) = scans(folder, weight="label").problems()
    assert problem.what == "'label' is also the column of label_column"
