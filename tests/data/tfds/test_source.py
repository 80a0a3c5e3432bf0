import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.data.tfds import download as tfds_download
from dlrun.data.tfds.folder import SetName, known_names, known_set
from dlrun.data.tfds.source import Tfds
from dlrun.errors import DataError
from dlrun.signature import Features, Target

pytestmark = pytest.mark.tensorflow


# First of all, as tensorflow-datasets gives a warning only once in a process.
def test_mnist_has_the_images_of_the_npz_file(shared_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    level = logging.getLogger("absl").level
    source = Tfds(name="mnist", data_dir=str(shared_data / "tensorflow_datasets"))
    loaded, described = source.load(), source.describe()
    assert described is not None
    assert loaded.features == described.features
    assert logging.getLogger("absl").level == level
    assert not [record for record in caplog.records if record.name == "absl"]
    with np.load(shared_data / "mnist.npz") as arrays:
        for name in ("train", "test"):
            split = loaded.splits[name]
            assert split.target is not None
            found = np.c_[split.features.reshape(len(split), -1), split.target.astype(np.uint8)]
            expected = np.c_[arrays[f"x_{name}"].reshape(len(split), -1), arrays[f"y_{name}"]]
            assert found.dtype == expected.dtype == np.uint8
            # tensorflow-datasets shuffles when it prepares: compare the images as a set.
            assert sorted(map(bytes, found)) == sorted(map(bytes, expected))


@pytest.fixture(scope="module")
def tiny_sets() -> Any:  # noqa: C901  one class after another
    """Builder classes of tensorflow-datasets that make their data themselves, by name."""
    import tensorflow_datasets as tfds

    def images(count: int, size: int | None) -> Any:
        generator = np.random.default_rng(count)
        for index in range(count):
            height = size or 5 + index % 3
            yield (
                index,
                {
                    "picture": generator.integers(0, 256, (height, height + 1, 3), dtype=np.uint8),
                    "kind": ("ant", "bee")[index % 2],
                },
            )

    class TinyImages(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[misc,call-arg]
        VERSION = tfds.core.Version("1.2.3")
        name = "tiny_images"
        size: int | None = 6

        def _info(self) -> Any:
            shape = (self.size, self.size and self.size + 1, 3)
            features = {
                "picture": tfds.features.Image(shape=shape),
                "kind": tfds.features.ClassLabel(names=["ant", "bee"]),
            }
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager: Any) -> Any:
            del dl_manager
            return {"train": images(30, self.size), "validation": images(8, self.size), "test": images(10, self.size)}

        def _generate_examples(self) -> Any:
            raise AssertionError

    class TinyMixed(TinyImages, skip_registration=True):  # type: ignore[call-arg]
        name = "tiny_mixed"
        size = None

    class TinyVectors(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[misc,call-arg]
        VERSION = tfds.core.Version("1.0.0")
        name = "tiny_vectors"

        def _info(self) -> Any:
            features = {
                "values": tfds.features.Tensor(shape=(3,), dtype=np.float64),
                "label": tfds.features.ClassLabel(num_classes=2),
            }
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager: Any) -> Any:
            del dl_manager
            rows = ((k, {"values": np.arange(3.0) + k, "label": k % 2}) for k in range(12))
            unlabelled = ((k, {"values": np.arange(3.0) + k, "label": -1}) for k in range(4))
            return {"train": rows, "test": unlabelled}

        def _generate_examples(self) -> Any:
            raise AssertionError

    class TinyTexts(TinyVectors, skip_registration=True):  # type: ignore[call-arg]
        name = "tiny_texts"

        def _info(self) -> Any:
            features = {
                "id": tfds.features.Tensor(shape=(1,), dtype=np.int64),
                "review": tfds.features.Text(),
                "label": tfds.features.ClassLabel(names=["bad", "good"]),
            }
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager: Any) -> Any:
            del dl_manager
            words = ("dull film", "schöner Film 猫", "dull dull", "")
            rows = ((k, {"id": [k], "review": words[k % 4], "label": k % 2}) for k in range(12))
            tests = ((k, {"id": [k], "review": "never seen before", "label": k % 2}) for k in range(4))
            unlabelled = ((k, {"id": [k], "review": "x", "label": -1}) for k in range(3))
            return {"train": rows, "validation": unlabelled, "test": tests}

    class TinyRows(TinyVectors, skip_registration=True):  # type: ignore[call-arg]
        name = "tiny_rows"

        def _info(self) -> Any:
            features = {
                "age": tfds.features.Tensor(shape=(), dtype=np.float32),
                "cabin": tfds.features.Tensor(shape=(), dtype=np.str_),
                "sex": tfds.features.ClassLabel(names=["male", "female"]),
                "survived": tfds.features.ClassLabel(names=["no", "yes"]),
            }
            keys = ({key: key for key in ("age", "cabin", "sex")}, "survived")
            described = tfds.features.FeaturesDict(features)
            return tfds.core.DatasetInfo(builder=self, features=described, supervised_keys=keys)

        def _split_generators(self, dl_manager: Any) -> Any:
            del dl_manager
            rows = ((k, {"age": k / 2, "cabin": "ÄB?"[k % 3], "sex": k // 2 % 2, "survived": k % 2}) for k in range(40))
            return {"train": rows}

        def _generate_examples(self) -> Any:
            raise AssertionError

    return {cls.name: cls for cls in (TinyImages, TinyMixed, TinyVectors, TinyTexts, TinyRows)}


@pytest.fixture
def prepare(tmp_path: Path, tiny_sets: Any) -> Any:
    import tensorflow_datasets as tfds

    def prepare_set(name: str, **keys: Any) -> Tfds:
        tfds.disable_progress_bar()
        tiny_sets[name](data_dir=tmp_path / "sets").download_and_prepare()
        return Tfds.model_validate({"name": name, "data_dir": str(tmp_path / "sets"), **keys})

    return prepare_set


def test_a_prepared_image_set_loads_like_its_builder(prepare: Any) -> None:
    source = prepare("tiny_images")
    loaded, described = source.load(), source.describe()
    assert loaded.features == described.features == Features("image", (6, 7, 3))
    assert loaded.target == described.target == Target("classes", 2, ("ant", "bee"))
    assert described.examples == {name: len(split) for name, split in loaded.splits.items()}
    assert {name: len(split) for name, split in loaded.splits.items()} == {"train": 30, "validation": 8, "test": 10}
    train = loaded.splits["train"]
    assert (train.features.dtype, train.features.shape) == (np.uint8, (30, 6, 7, 3))
    assert train.target is not None
    assert np.bincount(train.target).tolist() == [15, 15]
    assert loaded.preprocess.scale == 1 / 255


def test_the_arrays_match_those_of_tfds(prepare: Any, tiny_sets: Any, tmp_path: Path) -> None:
    loaded = prepare("tiny_images").load()
    builder = tiny_sets["tiny_images"](data_dir=tmp_path / "sets")
    for name, split in loaded.splits.items():
        records = list(builder.as_dataset(split=name).as_numpy_iterator())
        assert (split.features == np.stack([record["picture"] for record in records])).all()
        assert (split.target == np.stack([record["kind"] for record in records])).all()


def test_a_warm_cache_needs_neither_tfds_nor_tensorflow(prepare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = prepare("tiny_images", validation=5)
    first = source.load()
    monkeypatch.setattr(
        "dlrun.data.tfds.decode._decode", lambda *_, **__: pytest.fail("the records were decoded again")
    )
    assert source.load().fingerprint == first.fingerprint
    with pytest.raises(pytest.fail.Exception):
        Tfds.model_validate({**source.model_dump(), "validation": 0}).load()  # one split more


def test_a_change_of_the_prepared_files_makes_the_cache_stale(prepare: Any, tmp_path: Path, cache: Path) -> None:
    source = prepare("tiny_images")
    first = source.load()
    file = next((tmp_path / "sets").glob("**/*-train.tfrecord*"))
    file.touch()
    assert source.load().fingerprint == first.fingerprint
    assert len(list((cache / "tfds").iterdir())) == 2


def test_a_damaged_or_unwritable_cache_is_not_an_error(
    prepare: Any, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = prepare("tiny_images")
    first = source.load()
    for file in cache.glob("tfds/*/content/*.npy"):
        file.write_bytes(file.read_bytes()[:-3])
    assert source.load().fingerprint == first.fingerprint
    (tmp_path / "file").touch()
    monkeypatch.setenv("DLRUN_CACHE", str(tmp_path / "file"))
    loaded = source.load()
    assert loaded.fingerprint == first.fingerprint
    assert any(note.startswith(f"cache: nothing can be stored in {tmp_path / 'file'}") for note in loaded.notes)


def test_a_flipped_bit_in_the_records_is_an_error_of_the_data(prepare: Any, tmp_path: Path) -> None:
    source = prepare("tiny_images")
    file = next((tmp_path / "sets").glob("**/*-train.tfrecord*"))
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(bytes(damaged))
    with pytest.raises(DataError, match="the split train cannot be read"):
        source.load()


def test_images_of_differing_sizes_are_resized_as_they_are_read(prepare: Any) -> None:
    source = prepare("tiny_mixed", resize=(4, 5))
    loaded, described = source.load(), source.describe()
    assert loaded.features == described.features == Features("image", (4, 5, 3))
    assert loaded.splits["train"].features.shape == (30, 4, 5, 3)
    assert loaded.splits["train"].features.dtype == np.uint8
    assert loaded.preprocess.resize is None
    assert any("different sizes" in note for note in loaded.notes)


def test_images_of_one_size_are_resized_by_preprocess(prepare: Any) -> None:
    loaded = prepare("tiny_images", resize=(3, 3)).load()
    assert loaded.features.shape == (3, 3, 3)
    assert loaded.preprocess.raw_shape == (6, 7, 3)
    assert loaded.preprocess.resize == (3, 3)


def test_an_array_set_loads_and_a_split_without_labels_is_left_out(prepare: Any) -> None:
    loaded = prepare("tiny_vectors", standardize=True, validation=0.25).load()
    assert loaded.features == Features("vector", (3,))
    assert loaded.splits["train"].features.dtype == np.float32
    assert set(loaded.splits) == {"train", "validation"}
    assert any("4 of its 4 examples have no label" in note for note in loaded.notes)
    assert np.allclose(loaded.preprocess.mean, loaded.splits["train"].features.mean(axis=0))


def test_a_set_of_texts_becomes_token_ids_as_texts_in_files_do(prepare: Any) -> None:
    source = prepare("tiny_texts", text={"vocabulary_size": 6, "sequence_length": 3})
    loaded, described = source.load(), source.describe()
    assert loaded.features == described.features == Features("tokens", (3,), 6)
    assert loaded.target == described.target == Target("classes", 2, ("bad", "good"))
    assert {name: len(split) for name, split in loaded.splits.items()} == {"train": 12, "test": 4}
    assert any("3 of its 3 examples have no label" in note for note in loaded.notes)
    assert loaded.raw.vocabulary == ("dull", "film", "schöner", "猫")
    train = loaded.splits["train"]
    of_text = dict(zip(train.origins, zip(train.features.tolist(), train.target.tolist(), strict=True), strict=True))
    assert of_text == {
        "dull film": ([2, 3, 0], 0),
        "schöner Film 猫": ([4, 3, 5], 1),
        "dull dull": ([2, 2, 0], 0),
        "": ([1, 0, 0], 1),
    }
    assert loaded.splits["test"].features.tolist() == [[1, 1, 1]] * 4
    assert (loaded.raw.reading.text, loaded.raw.reading.label) == ("review", "label")


def test_keys_that_are_not_for_texts_or_only_for_them_are_errors(prepare: Any) -> None:
    source = prepare("tiny_texts", validation=0.25, text={"output_mode": "multi_hot"})
    assert source.load().features == source.describe().features == Features("vector", (10_000,))
    assert prepare("tiny_texts").describe() is None
    for name, keys in (("tiny_texts", {"resize": (2, 2)}), ("tiny_texts", {"standardize": True})):
        with pytest.raises(DataError, match="is a set of texts"):
            prepare(name, **keys).load()
    with pytest.raises(DataError, match="tiny_vectors has no texts"):
        prepare("tiny_vectors", text={}).load()


def test_a_missing_set_is_prepared_first(
    tmp_path: Path, tiny_sets: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import tensorflow_datasets as tfds

    monkeypatch.setattr(tfds, "list_builders", lambda **_: ["tiny_images"])
    monkeypatch.setattr(tfds, "builder_cls", tiny_sets.__getitem__)
    monkeypatch.setattr(tfds, "builder", lambda name, data_dir: tiny_sets[name](data_dir=data_dir))
    monkeypatch.setattr(tfds_download, "find_unreachable", lambda _: None)
    loaded = Tfds(name="tiny_images", data_dir=str(tmp_path / "new")).load()
    assert len(loaded.splits["train"]) == 30
    assert capfd.readouterr().out == ""


def test_a_download_that_fails_is_an_error_of_the_data(
    tmp_path: Path, tiny_sets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf
    import tensorflow_datasets as tfds

    monkeypatch.setattr(tfds_download, "find_unreachable", lambda _: None)
    del tiny_sets
    for error in (
        tfds.download.DownloadError("HTTP code: 404"),
        OSError("disk full"),
        AssertionError("Manual download required"),
        tf.errors.UnavailableError(None, None, "gone"),
    ):

        def fail(*_: Any, error: Exception = error, **__: Any) -> None:
            raise error

        monkeypatch.setattr(tfds, "builder", fail)
        with pytest.raises(DataError, match="could not be prepared"):
            Tfds(name="mnist", data_dir=str(tmp_path)).load()


def test_the_facts_of_well_known_sets_match_their_builders(tmp_path: Path) -> None:
    import tensorflow_datasets as tfds

    for name in known_names():
        known = known_set(SetName.parse(name))
        assert known is not None
        builder = tfds.builder(name, data_dir=tmp_path)
        features = builder.info.features
        key, label = builder.info.supervised_keys
        assert features[key].shape == known.shape
        assert features[label].num_classes == known.num_classes
    assert known_set(SetName.parse("emnist")) == known_set(
        SetName.parse(f"emnist/{tfds.builder_cls('emnist').default_builder_config.name}")
    )
    for config in tfds.builder_cls("emnist").BUILDER_CONFIGS:
        known = known_set(SetName.parse(f"emnist/{config.name}"))
        assert known is not None
        assert known.examples == {"train": config.train_examples, "test": config.test_examples}


def test_a_set_of_single_values_is_a_table_with_its_classes_by_name(prepare: Any, cache: Path) -> None:
    from dlrun.data.table.input import TableInput

    source = prepare("tiny_rows", test=0.25, table={"missing": {"numeric": "indicator", "categorical": "category"}})
    loaded = source.load()
    assert loaded.name == "tiny_rows"
    assert loaded.target == Target("classes", 2, ("no", "yes"))
    assert {name: len(split) for name, split in loaded.splits.items()} == {"train": 30, "test": 10}
    raw = loaded.raw
    assert isinstance(raw, TableInput)
    assert [column.name for column in raw.columns] == ["age", "cabin", "sex"]
    (kept,) = (cache / "tfds-tables").iterdir()
    file = kept / "content" / "train.parquet"
    (examples,) = raw.read(str(file), at_once=100, target=loaded.target)
    assert examples.target is not None
    assert np.bincount(examples.target).tolist() == [20, 20]
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"yes", b"yet"))
    mended = source.load()
    assert any("was damaged" in note for note in mended.notes)
    assert mended.fingerprint == source.load().fingerprint == loaded.fingerprint
    with pytest.raises(DataError, match="the keys under `table`"):
        prepare("tiny_rows", standardize=True).load()


def test_processes_that_need_the_same_table_make_it_once(
    prepare: Any, forked: Any, cache: Path, tmp_path: Path
) -> None:
    source = prepare("tiny_rows", test=0.25)
    script = tmp_path / "load.py"
    script.write_text(
        "import sys\n"
        "import dlrun.data.tfds.tables as tables\n"
        "from dlrun.data.tfds.source import Tfds\n"
        "write = tables._write\n"
        "tables._write = lambda *given: (print('written'), write(*given))\n"
        "print(Tfds.model_validate_json(sys.argv[1]).load().fingerprint)\n"
    )
    options = {"folder": tmp_path, "script": script, "DLRUN_CACHE": str(cache)}
    ends = [started.wait() for started in [forked.start(source.model_dump_json(), **options) for _ in range(3)]]
    assert [ended.code for ended in ends] == [0, 0, 0], ends
    printed = [line for ended in ends for line in ended.out.splitlines()]
    assert sorted(printed) == sorted(["written", *[source.load().fingerprint] * 3])
