import shutil
from pathlib import Path
from typing import Any

import pytest

from dlrun.data.tfds.folder import SetName, data_folder, find_prepared, read_prepared
from dlrun.data.tfds.source import Tfds
from dlrun.errors import DataError
from dlrun.signature import Features, Target

FEATURE = "tensorflow_datasets.core.features"
IMAGE = {"pythonClassName": f"{FEATURE}.image_feature.Image", "image": {"dtype": "uint8", "shape": {}}}
WORDS = {"pythonClassName": f"{FEATURE}.sequence_feature.Sequence", "sequence": {"feature": {}}}
TEXT = {"pythonClassName": f"{FEATURE}.text_feature.Text", "text": {}}


def test_a_missing_set_that_may_not_be_downloaded_is_reported_before_anything_starts(tmp_path: Path) -> None:
    source = Tfds(name="mnist", data_dir=str(tmp_path), download=False)
    assert source.describe() is None
    with pytest.raises(DataError, match="`download` is false"):
        source.check_files()
    Tfds(name="mnist", data_dir=str(tmp_path)).check_files()


def _image(*shape: int) -> dict[str, Any]:
    return IMAGE | {"image": {"dtype": "uint8", "shape": {"dimensions": [str(size) for size in shape]}}}


def _tensor(*shape: int, dtype: str = "float32") -> dict[str, Any]:
    stored = {"dtype": dtype, "shape": {"dimensions": [str(size) for size in shape]}}
    return {"pythonClassName": f"{FEATURE}.tensor_feature.Tensor", "tensor": stored}


def _label(classes: int) -> dict[str, Any]:
    python_class = f"{FEATURE}.class_label_feature.ClassLabel"
    return {"pythonClassName": python_class, "classLabel": {"numClasses": str(classes)}}


def _describe(tmp_path: Path, **keys: Any) -> Any:
    return Tfds.model_validate({"name": "tiny", "data_dir": str(tmp_path / "sets"), **keys}).describe()


def _refuse(tmp_path: Path, *words: str, **keys: Any) -> None:
    source = Tfds.model_validate({"name": "tiny", "data_dir": str(tmp_path / "sets"), **keys})
    assert source.describe() is None
    with pytest.raises(DataError) as caught:
        source.load()
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


def test_a_prepared_set_is_described_from_its_json_alone(make: Any, tmp_path: Path) -> None:
    folder = make("tiny/1.0.0")
    (folder / "label.labels.txt").write_text("ant\nbee\ncat\ndog\n", "utf-8")
    described = _describe(tmp_path, validation=4)
    assert described.features == Features("image", (8, 8, 3))
    assert described.target == Target("classes", 4, ("ant", "bee", "cat", "dog"))
    assert described.examples == {"train": 16, "validation": 4, "test": 5}
    assert _describe(tmp_path, resize=(16, 12)).features.shape == (16, 12, 3)


def test_the_newest_version_is_used_unless_one_is_given(make: Any, tmp_path: Path) -> None:
    folders = {version: make(f"tiny/{version}") for version in ("1.0.0", "1.10.0", "1.9.2")}
    (tmp_path / "sets" / "tiny" / "incomplete.ABC123_2.0.0").mkdir()
    root = tmp_path / "sets"
    assert find_prepared(root, SetName.parse("tiny")) == folders["1.10.0"]
    assert find_prepared(root, SetName.parse("tiny:1.9.2")) == folders["1.9.2"]
    assert find_prepared(root, SetName.parse("tiny:1.9.*")) == folders["1.9.2"]
    assert find_prepared(root, SetName.parse("tiny:3.0.0")) is None
    assert find_prepared(root, SetName.parse("other")) is None


def test_the_config_is_the_given_one_or_the_default_or_the_only_one(make: Any, tmp_path: Path) -> None:
    root = tmp_path / "sets"
    small = make("tiny/small/1.0.0", configName="small")
    assert find_prepared(root, SetName.parse("tiny")) == small
    assert read_prepared(small).name == "tiny/small"
    large = make("tiny/large/1.0.0", configName="large")
    assert find_prepared(root, SetName.parse("tiny/small:1.0.0")) == small
    _refuse(tmp_path, "several configs", "tiny/large, tiny/small")
    (root / "tiny" / ".config").mkdir()
    metadata = root / "tiny" / ".config" / "metadata.json"
    metadata.write_text('{"default_config_name": "large"}', "utf-8")
    assert find_prepared(root, SetName.parse("tiny")) == large
    shutil.rmtree(large)
    assert find_prepared(root, SetName.parse("tiny")) is None
    metadata.write_text("{", "utf-8")
    _refuse(tmp_path, "metadata.json cannot be read")


def test_the_folder_is_the_given_one_or_that_of_the_environment_or_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert data_folder(None) == Path("/home/someone/tensorflow_datasets")
    monkeypatch.setenv("TFDS_DATA_DIR", "/data/sets")
    assert data_folder(None) == Path("/data/sets")
    assert data_folder("~/here") == Path("/home/someone/here")


def test_an_incomplete_folder_is_refused_with_what_is_missing(make: Any, tmp_path: Path) -> None:
    folder = make("tiny/1.0.0")
    for name, damage, said in (
        ("dataset_info.json", None, "dataset_info.json is missing"),
        ("features.json", None, "features.json is missing"),
        ("features.json", b"{", "features.json cannot be read"),
        ("features.json", b"[]", "features.json does not contain a JSON object"),
        ("dataset_info.json", b"\xff\xfe", "dataset_info.json cannot be read"),
        ("tiny-train.tfrecord-00000-of-00001", None, "tiny-train.tfrecord-00000-of-00001 is missing"),
        ("tiny-test.tfrecord-00000-of-00001", bytes(129), "split test have 129 bytes, not 130"),
    ):
        file = folder / name
        whole = file.read_bytes()
        file.unlink()
        if damage is not None:
            file.write_bytes(damage)
        _refuse(tmp_path, said, str(folder), "remove")
        file.write_bytes(whole)
    assert _describe(tmp_path) is not None


def test_the_features_and_the_label_are_the_sets_own_then_the_first_image_and_the_only_label(
    make: Any, tmp_path: Path
) -> None:
    stored = {"text": TEXT, "id": _tensor(), "vector": _tensor(7), "image": _image(4, 4, 1), "label": _label(3)}
    folder = make("tiny/1.0.0", stored)
    assert (read_prepared(folder).features.key, read_prepared(folder).label.key) == ("image", "label")
    assert read_prepared(folder, features="vector").features.kind == "vector"
    assert read_prepared(folder, features="text").features.kind == "tokens"
    stored |= {"coarse": _label(2), "picture": _image(2, 2, 1)}
    folder = make("tiny/2.0.0", stored, supervised=("picture", "coarse"))
    assert (read_prepared(folder).features.key, read_prepared(folder).label.key) == ("picture", "coarse")
    assert read_prepared(folder, label="label").label.num_classes == 3
    folder = make("tiny/3.0.0", stored)
    _refuse(tmp_path, "several class labels: label, coarse", "label: label")
    assert _describe(tmp_path, label="coarse").target.size == 2


def test_arrays_are_vectors_sequences_or_images_by_their_rank(make: Any, tmp_path: Path) -> None:
    for version, features in (
        ("1.0.0", Features("vector", (7,))),
        ("2.0.0", Features("sequence", (5, 2))),
        ("3.0.0", Features("image", (4, 4, 2))),
    ):
        make(f"tiny/{version}", {"x": _tensor(*features.shape), "label": _label(2)})
        assert _describe(tmp_path).features == features


def test_sets_without_a_class_label_or_an_array_are_refused(make: Any, tmp_path: Path) -> None:
    make("tiny/1.0.0", {"image": _image(4, 4, 1), "price": _tensor()})
    _refuse(tmp_path, "'tiny' has no class label", "image, price", "ClassLabel")
    make("tiny/2.0.0", {"words": WORDS, "label": _label(2)})
    _refuse(tmp_path, "'tiny' has no image, text, number, or array", "words, label")
    make("tiny/3.0.0")
    _refuse(tmp_path, "no class label named 'lable'", "did you mean 'label'", label="lable")
    _refuse(tmp_path, "no image, text or array named 'images'", "did you mean 'image'", features="images")
    make("tiny/4.0.0", splits={"test": 5})
    source = Tfds(name="tiny", data_dir=str(tmp_path / "sets"))
    with pytest.raises(DataError, match="has no split train: test"):
        source.load()


def test_images_of_differing_sizes_need_resize(make: Any, tmp_path: Path) -> None:
    make("tiny/1.0.0", {"image": _image(-1, -1, 3), "label": _label(2)})
    _refuse(tmp_path, "differ in size", "resize: [64, 64]")
    assert _describe(tmp_path, resize=(10, 12)).features.shape == (10, 12, 3)


def test_data_larger_than_the_machine_is_refused_before_it_is_read(make: Any, tmp_path: Path) -> None:
    folder = make("tiny/1.0.0", {"image": _image(4096, 4096, 3), "label": _label(2)}, fileFormat="array_record")
    info = (folder / "dataset_info.json").read_text("utf-8").replace('"20"', '"100000000"')
    (folder / "dataset_info.json").write_text(info, "utf-8")
    for split in ("train", "test"):
        (folder / f"tiny-{split}.tfrecord-00000-of-00001").rename(folder / f"tiny-{split}.array_record-00000-of-00001")
    source = Tfds(name="tiny", data_dir=str(tmp_path / "sets"))
    with pytest.raises(DataError, match="the machine has"):
        source.load()


@pytest.mark.parametrize("name", ["huggingface:mnist", "mnist/", "mnist:three", "", "a/b/c", "../mnist"])
def test_a_name_of_another_form_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a name in tensorflow-datasets"):
        Tfds(name=name)


def test_well_known_sets_are_described_before_the_download(tmp_path: Path) -> None:
    described = _describe(tmp_path, name="cifar10", validation=0.1)
    assert described.features == Features("image", (32, 32, 3))
    assert described.target == Target("classes", 10)
    assert described.examples == {"train": 45_000, "validation": 5_000, "test": 10_000}
    assert _describe(tmp_path, name="emnist").target.size == 62
    assert _describe(tmp_path, name="emnist/letters:3.1.0").target.size == 37
    assert _describe(tmp_path, name="iris").features == Features("vector", (4,))
    assert _describe(tmp_path, name="beans") is None
