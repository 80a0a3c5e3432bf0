"""ImageNet weights in the folder of Keras."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from dlrun.errors import DataError, UsageError
from dlrun.models.pretrained import imagenet
from dlrun.models.pretrained.imagenet import fetch_by_name, fetch_imagenet, imagenet_file
from dlrun.models.pretrained.pretrained import Pretrained

FILE = imagenet_file(Pretrained(backbone="vgg16"), height=64, width=64)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(imagenet, "find_unreachable", lambda urls: f"{urls[0]} does not answer")
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def test_without_network_the_error_says_what_is_missing_where_and_what_to_do(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        fetch_imagenet(FILE)
    assert f"{FILE.name} are not in {folder}" in caught.value.what
    assert caught.value.expected == f"the file {folder / FILE.name}, from {FILE.url}"
    assert "--set model.weights=none" in caught.value.hint


def test_a_file_that_is_there_is_used_if_its_hash_is_that_of_keras(folder: Path) -> None:
    (folder / FILE.name).write_bytes(b"weights")
    sound = replace(FILE, digest=hashlib.md5(b"weights").hexdigest())
    assert fetch_imagenet(sound) == imagenet.FetchedWeights(folder / FILE.name, was_there=True)
    with pytest.raises(DataError, match="not the file that Keras publishes"):
        fetch_imagenet(FILE)


def test_weights_are_fetched_by_a_name_with_arguments(folder: Path) -> None:
    with pytest.raises(DataError, match=r"kernels_0\.35_96_no_top\.h5 are not in"):
        fetch_by_name("weights:mobilenet_v2,alpha=0.35,size=96")
    with pytest.raises(UsageError, match=r"weights:mobilenet_v3_small,minimalistic=true"):
        fetch_by_name("weights:mobilenet_v3_small,alpha=0.5")
    with pytest.raises(UsageError, match=r"did you mean weights:resnet50\?"):
        fetch_by_name("weights:resnet5")
    assert not list(folder.iterdir())
