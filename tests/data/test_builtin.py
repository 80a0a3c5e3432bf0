from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.data import ArrayPreprocess, builtin, datasets
from dlrun.data.builtin import Builtin
from dlrun.data.splits import fingerprint_of

NAMES = ("digits", "wine", "breast_cancer", "diabetes")


@pytest.mark.parametrize("name", NAMES)
def test_a_description_without_the_file_matches_the_loaded_data(name: Any) -> None:
    options: dict[str, Any]
    for options in ({}, {"validation": 0.1}, {"test": 0, "validation": 30}, {"test": 17, "validation": "test"}):
        source = Builtin(name=name, **options)
        described, loaded = source.describe(), source.load()
        assert described.features == loaded.features
        assert described.target == loaded.target
        assert described.examples == {name: len(split) for name, split in loaded.splits.items()}
        assert loaded.preprocess.raw_shape == loaded.splits["train"].features.shape[1:]
        assert loaded.fingerprint == fingerprint_of(loaded.splits)


def test_the_digits_are_the_digits() -> None:
    digits = Builtin(name="digits", test=0).load()
    train = digits.splits["train"]
    assert train.target is not None
    assert train.features.dtype == np.uint8
    assert (train.features.min(), train.features.max()) == (0, 16)
    assert np.bincount(train.target).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert train.features[0, 0, :, 0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert isinstance(digits.preprocess, ArrayPreprocess)
    assert digits.preprocess.scale == 1 / 16


def test_every_class_is_held_out_in_proportion() -> None:
    splits = Builtin(name="digits", validation=0.1).load().splits
    for name, size in (("train", 1293), ("validation", 144), ("test", 360)):
        counts = np.bincount(np.asarray(splits[name].target))
        assert counts.sum() == size
        assert counts.max() - counts.min() <= 8


@pytest.mark.parametrize("name", ["wine", "breast_cancer", "diabetes"])
def test_tables_are_standardized_by_the_training_split_alone(name: Any) -> None:
    loaded = Builtin(name=name, validation=0.1).load()
    train = loaded.splits["train"].features.astype(np.float64)
    assert isinstance(loaded.preprocess, ArrayPreprocess)
    assert np.allclose(loaded.preprocess.mean, train.mean(axis=0))
    assert np.allclose(loaded.preprocess.variance, train.var(axis=0))
    assert any("standardize" in note for note in loaded.notes)
    assert not Builtin(name=name, standardize=False).load().preprocess.is_standardized


def test_images_are_standardized_only_on_request_and_by_channel() -> None:
    assert not Builtin(name="digits").load().preprocess.is_standardized
    asked = Builtin(name="digits", standardize=True).load()
    assert isinstance(asked.preprocess, ArrayPreprocess)
    pixels = asked.splits["train"].features / 16
    assert asked.preprocess.mean == pytest.approx([pixels.mean()])
    assert asked.preprocess.variance == pytest.approx([pixels.var()])


def test_the_same_seed_gives_the_same_data_and_another_seed_other_data() -> None:
    first, again, other = (Builtin(name="wine", seed=seed).load().fingerprint for seed in (0, 0, 1))
    assert first == again != other


def test_resize_changes_the_input_of_the_model_and_is_a_problem_without_images() -> None:
    assert Builtin(name="digits", resize=(28, 28)).describe().features.shape == (28, 28, 1)
    assert list(Builtin(name="digits", resize=(28, 28)).problems()) == []
    (problem,) = Builtin(name="wine", resize=(28, 28)).problems()
    assert problem.path == ("resize",)


def test_more_test_examples_than_there_are_is_a_problem_and_describing_still_works() -> None:
    source = Builtin(name="wine", test=178)
    assert [problem.path for problem in source.problems()] == [("test",)]
    assert source.describe().examples == {"train": 178}


@pytest.mark.parametrize("value", [1.0, 1.5, -0.1, -3])
def test_a_hold_out_is_a_fraction_below_one_or_a_number(value: float) -> None:
    for key in ("test", "validation"):
        with pytest.raises(ValueError, match="is not a valid hold-out"):
            Builtin.model_validate({"name": "wine", key: value})


def test_every_embedded_file_has_its_origin_and_licence_stated() -> None:
    folder = Path(builtin.__file__).with_name("embedded")
    readme = (folder / "README.md").read_text("utf-8")
    files = sorted(folder.glob("*.npz"))
    assert [file.stem for file in files] == sorted(NAMES)
    for file in files:
        row = next(line for line in readme.splitlines() if line.startswith(f"| `{file.name}`"))
        assert "CC BY 4.0" in row or "BSD" in row
        assert file.stat().st_size < 100_000


def test_the_four_built_in_sources_are_registered() -> None:
    assert {"arrays", "builtin", "synthetic", "tfds"} <= set(datasets.names())
