import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.data import ArrayPreprocess
from dlrun.data.arrays.source import Arrays
from dlrun.errors import DataError
from dlrun.signature import Features, Target

IMAGES = np.arange(12 * 4 * 4, dtype=np.uint8).reshape(12, 4, 4)
LABELS = np.array([0, 1, 2] * 4)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_npz(**arrays: Any) -> str:
        np.savez_compressed(tmp_path / "data.npz", **arrays)
        return str(tmp_path / "data.npz")

    return write_npz


def refuse(source: Arrays, *words: str) -> None:
    """The source cannot be loaded, says why, and its description does not raise."""
    source.describe()
    with pytest.raises(DataError) as caught:
        source.load()
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


def test_keras_names_need_no_keys(write: Any) -> None:
    source = Arrays(path=write(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:3], y_test=LABELS[:3]), validation=3)
    loaded = source.load()
    assert {name: len(split) for name, split in loaded.splits.items()} == {"train": 9, "validation": 3, "test": 3}
    assert loaded.features == Features("image", (4, 4, 1))
    assert loaded.target == Target("classes", 3)
    assert loaded.splits["train"].features.dtype == np.uint8
    assert loaded.splits["train"].target is not None
    assert loaded.splits["train"].target.dtype == np.int32
    assert isinstance(loaded.preprocess, ArrayPreprocess)
    assert loaded.preprocess.scale == 1 / 255
    assert loaded.name == "data"
    described = source.describe()
    assert described is not None
    assert (described.features, described.target) == (loaded.features, loaded.target)
    assert described.examples == {"train": 9, "validation": 3, "test": 3}


def test_every_choice_is_reported_with_its_reason(write: Any) -> None:
    keys, features, target, held_out = Arrays(path=write(x=IMAGES, y=LABELS), test=3).load().notes
    assert keys == "keys: train: x and y, by their names"
    assert "image, because an example has shape (4, 4) and dtype uint8" in features
    assert "1/255" in features
    assert "3 classes, because the target's dtype is int64" in target
    assert held_out.startswith("test: 3 of 12 examples held out, stratified by class")


def test_keys_say_which_arrays_are_which(write: Any) -> None:
    path = write(a=np.ones((6, 2)), b=np.arange(6.0), w=np.arange(6), c=np.ones((2, 2)), d=np.ones(2))
    keys = {
        "train": {"features": "a", "target": "b", "sample_weight": "w"},
        "test": {"features": "c", "target": "d"},
    }
    loaded = Arrays.model_validate({"path": path, "keys": keys}).load()
    train = loaded.splits["train"]
    assert train.features.dtype == np.float32
    assert train.target is not None
    assert train.target.tolist() == [0, 1, 2, 3, 4, 5]
    assert train.sample_weight is not None
    assert train.sample_weight.tolist() == [0, 1, 2, 3, 4, 5]
    assert loaded.splits["test"].sample_weight is None
    assert loaded.target == Target("values", 1, encoding="value")


@pytest.mark.parametrize(
    ("array", "said", "kind", "shape"),
    [
        (np.zeros((3, 5), np.float32), "auto", "vector", (5,)),
        (np.zeros(3, np.float32), "auto", "vector", (1,)),
        (np.zeros((3, 5, 2), np.float32), "auto", "sequence", (5, 2)),
        (np.zeros((3, 5, 2), np.uint8), "auto", "image", (5, 2, 1)),
        (np.zeros((3, 5, 2), np.uint8), "sequence", "sequence", (5, 2)),
        (np.zeros((3, 5, 2), np.float32), "image", "image", (5, 2, 1)),
        (np.zeros((3, 5, 2), np.float32), "vector", "vector", (10,)),
        (np.zeros((3, 5, 4, 3), np.float32), "auto", "image", (5, 4, 3)),
        (np.full((3, 5), 7, np.int64), "tokens", "tokens", (5,)),
    ],
)
def test_the_meaning_of_axes_follows_from_shape_and_dtype_or_a_key(
    write: Any, array: Any, said: Any, kind: str, shape: tuple[int, ...]
) -> None:
    source = Arrays(path=write(x=array), features_kind=said)
    loaded, described = source.load(), source.describe()
    assert (loaded.features.kind, loaded.features.shape) == (kind, shape)
    assert loaded.splits["train"].features.shape == (3, *loaded.preprocess.raw_shape)
    assert loaded.target is None
    assert described is not None
    assert (described.features.kind, described.features.shape) == (kind, shape)


def test_token_ids_give_the_size_of_the_vocabulary_over_all_splits(write: Any) -> None:
    path = write(x_train=np.array([[0, 1], [2, 3]]), x_test=np.array([[9, 0]]))
    loaded = Arrays(path=path, features_kind="tokens").load()
    assert loaded.features.vocabulary_size == 10
    assert loaded.splits["train"].features.dtype == np.int32
    assert isinstance(loaded.preprocess, ArrayPreprocess)
    assert loaded.preprocess.dtype == "int32"


def test_wider_integers_and_floats_become_float32(write: Any) -> None:
    for dtype in (np.float64, np.float16, np.int64, np.bool_):
        assert Arrays(path=write(x=np.ones((3, 2), dtype))).load().splits["train"].features.dtype == np.float32


def test_labels_are_classes_or_numbers_by_their_dtype_or_a_key(write: Any) -> None:
    path = write(x=np.ones((4, 1)), y=np.array([0.0, 1.0, 2.0, 1.0]))
    assert Arrays(path=path).load().target == Target("values", 1, encoding="value")
    assert Arrays(path=path, task="classification").load().target == Target("classes", 3)
    path = write(x=np.ones((4, 1)), y=np.array([[0], [1], [2], [1]]))
    loaded = Arrays(path=path).load()
    assert loaded.target == Target("classes", 3)
    assert loaded.splits["train"].target is not None
    assert loaded.splits["train"].target.tolist() == [0, 1, 2, 1]
    assert Arrays(path=path, task="regression").load().target == Target("values", 1, encoding="value")


def test_one_hot_rows_are_read_as_classes_when_a_key_says_so(write: Any) -> None:
    path = write(x=np.ones((3, 1)), y=np.eye(3)[[2, 0, 1]])
    assert Arrays(path=path).load().target == Target("values", 3, encoding="value")
    loaded = Arrays(path=path, task="classification").load()
    assert loaded.target == Target("classes", 3)
    assert loaded.splits["train"].target is not None
    assert loaded.splits["train"].target.tolist() == [2, 0, 1]
    refuse(Arrays(path=write(x=np.ones((2, 1)), y=np.ones((2, 3))), task="classification"), "row 0", "one-hot")


def test_standardizing_measures_the_training_split_alone_after_scaling(write: Any) -> None:
    path = write(x_train=IMAGES, y_train=LABELS, x_test=IMAGES + 3, y_test=LABELS)
    preprocess = Arrays(path=path, standardize=True).load().preprocess
    assert isinstance(preprocess, ArrayPreprocess)
    assert preprocess.mean == pytest.approx([(IMAGES / 255).mean()])
    assert preprocess.variance == pytest.approx([(IMAGES / 255).var()])


def test_a_missing_file_is_named_and_has_no_description(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Arrays(path="none.npz").describe() is None
    refuse(Arrays(path="none.npz"), "none.npz", str(tmp_path))


def test_a_missing_array_suggests_the_nearest_and_lists_all(write: Any) -> None:
    path = write(x_train=IMAGES, y_train=LABELS)
    keys = {"train": {"features": "x_trian", "target": "y_train"}}
    refuse(
        Arrays.model_validate({"path": path, "keys": keys}), "'x_trian'", "x_train, y_train", "did you mean 'x_train'"
    )
    refuse(Arrays(path=write(images=IMAGES)), "no array x_train or x", "images", "keys:")


def test_lengths_that_differ_name_both_arrays(write: Any) -> None:
    refuse(Arrays(path=write(x=IMAGES, y=LABELS[:-1])), "y in", "11 rows", "12", "x has")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_a_value_that_is_not_finite_names_its_first_row(write: Any, bad: float) -> None:
    features = np.ones((10, 3))
    features[[4, 7], 1] = bad
    refuse(Arrays(path=write(x=features, y=np.arange(10.0))), "x in", "row 4", "1 more")
    target = np.arange(10.0)
    target[6] = bad
    refuse(Arrays(path=write(x=np.ones((10, 3)), y=target)), "y in", "row 6")


def test_labels_out_of_range_name_their_row(write: Any) -> None:
    def refuse_labels(*words: str, train: Any, test: Any = (0,), **options: Any) -> None:
        arrays = {"x_train": np.ones((len(train), 1)), "y_train": np.array(train)}
        path = write(**arrays, x_test=np.ones((len(test), 1)), y_test=np.array(test))
        refuse(Arrays(path=path, **options), *words)

    refuse_labels("y_train", "row 1", "label -1", train=[0, -1, 1])
    refuse_labels("y_test", "row 2", "label 2", "from 0 to 1", train=[0, 1], test=[0, 1, 2])
    refuse_labels("y_train", "label 1, 2", "num_classes: 4", train=[0, 3, 3])
    refuse_labels("y_train", "row 2", "label 5", "num_classes: 4", train=[0, 1, 5], num_classes=4)
    refuse_labels("y_train", "row 1", "0.5", train=[0.0, 0.5], task="classification")


def test_num_classes_allows_classes_without_a_training_example(write: Any) -> None:
    path = write(x=np.ones((3, 1)), y=np.array([0, 3, 3]))
    assert Arrays(path=path, num_classes=5).load().target == Target("classes", 5)


def test_splits_must_agree(write: Any) -> None:
    refuse(Arrays(path=write(x_train=IMAGES, x_test=IMAGES[:, :3])), "x_test", "(3, 4)", "(4, 4, 1)")
    refuse(Arrays(path=write(x_train=IMAGES, y_train=LABELS, x_test=IMAGES)), "test split has no labels")
    path = write(x_train=IMAGES, y_train=np.ones(12), x_test=IMAGES, y_test=np.ones((12, 2)))
    refuse(Arrays(path=path), "splits have different numbers")


def test_empty_arrays_and_arrays_without_numbers_are_refused(write: Any, tmp_path: Path) -> None:
    refuse(Arrays(path=write(x=IMAGES[:0], y=LABELS[:0])), "x in", "empty")
    refuse(Arrays(path=write(x=np.array(["a", "b"]))), "x in", "<U1", "numbers")
    refuse(Arrays(path=write(x=np.float32(3))), "empty")
    refuse(Arrays(path=write(x=np.ones((2, 0)))), "shape (0,)")
    refuse(Arrays(path=write(x=np.ones((2, 3, 3, 3, 3)))), "shape (3, 3, 3, 3)")
    np.savez(tmp_path / "evil.npz", x=np.array([Evil()], dtype=object))
    refuse(Arrays(path=str(tmp_path / "evil.npz")), "Python objects")


class Evil:
    def __reduce__(self) -> Any:
        return print, ("unpickled",)


def test_damaged_files_are_refused_wherever_the_damage_is(write: Any) -> None:
    path = Path(write(x=np.random.default_rng(0).random((40, 10)), y=np.arange(40) % 2))
    whole = path.read_bytes()
    generator = np.random.default_rng(1)
    refused = 0
    for case in range(120):
        damaged = bytearray(whole)
        if case % 3 == 0:
            damaged = damaged[: generator.integers(0, len(whole))]
        else:
            damaged[generator.integers(0, len(whole))] ^= 1 << generator.integers(0, 8)
        path.write_bytes(bytes(damaged))
        source = Arrays(path=str(path))
        source.describe()
        try:
            source.load()
        except DataError:
            refused += 1
    assert refused > 100  # the rest hit bytes that say nothing, such as a time stamp
    path.write_bytes(b"not a zip file")
    refuse(Arrays(path=str(path)), "cannot be read")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"not an array")
    refuse(Arrays(path=str(path)), "cannot be read")


def test_a_negative_token_or_weight_names_its_row(write: Any) -> None:
    refuse(Arrays(path=write(x=np.array([[1, 2], [0, -4]])), features_kind="tokens"), "row 1", "negative token")
    refuse(Arrays(path=write(x=np.ones((2, 2))), features_kind="tokens"), "dtype float64")
    keys = {"train": {"features": "x", "sample_weight": "w"}}
    path = write(x=np.ones((3, 2)), w=np.array([1, 1, -1]))
    refuse(Arrays.model_validate({"path": path, "keys": keys}), "w in", "row 2 is negative")


def test_keys_that_contradict_each_other_are_problems(write: Any) -> None:
    keys = {"train": {"features": "a"}, "test": {"features": "b"}, "validation": {"features": "c"}}
    source = Arrays.model_validate({"path": "x.npz", "keys": keys, "test": 0.1, "validation": 0.1})
    assert [problem.path for problem in source.problems()] == [("test",), ("validation",)]
    source = Arrays(path="x.npz", features_kind="tokens", standardize=True)
    assert [problem.path for problem in source.problems()] == [("standardize",)]
    refuse(Arrays(path=write(x=np.ones((4, 2))), resize=(8, 8)), "not an image", "features_kind: image")


def test_the_mnist_of_keras_is_one_line(shared_data: Path) -> None:
    source = Arrays(path=str(shared_data / "mnist.npz"), validation=0.1)
    loaded, described = source.load(), source.describe()
    assert loaded.features == Features("image", (28, 28, 1))
    assert loaded.target == Target("classes", 10)
    assert {name: len(split) for name, split in loaded.splits.items()} == {
        "train": 54_000,
        "validation": 6_000,
        "test": 10_000,
    }
    assert described is not None
    assert (described.features, described.target) == (loaded.features, loaded.target)
    assert described.examples == {"train": 54_000, "validation": 6_000, "test": 10_000}
