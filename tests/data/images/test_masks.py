"""Images with masks: which mask belongs to which image, what is wrong with them, and how they are divided and kept."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dlrun.data.dataset import Dataset
from dlrun.data.division.folds import Fold
from dlrun.data.images.source import Images
from dlrun.data.masks.pixels import encode_mask
from dlrun.errors import DataError, SpecError
from dlrun.signature import IGNORED_CLASS, Target
from dlrun.spec.parse import read_spec
from pictures import blocks, png, saved

pytestmark = pytest.mark.tensorflow

SIDE = 16
CLASSES = {"back": 0, "front": 1, "edge": (2, 3)}
EACH = {"a": 0, "b": 1, "c": 2, "d": 3}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apart from the folder of images."""
    monkeypatch.setenv("DLRUN_CACHE", str(tmp_path_factory.mktemp("cache")))


def mask_of(number: int, *, most: int = 4) -> Any:
    """A mask that tells its number: the values of two blocks."""
    mask = np.zeros((SIDE, SIDE), np.int32)
    mask[:8, :8], mask[8:, 8:] = number % most, number // most % most
    return mask


def write_pairs(folder: Path, numbers: range, *, masks: Path, suffix: str = "", most: int = 4) -> Path:
    for place in (folder, masks):
        place.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / f"{number:02}.png").write_bytes(png(blocks(SIDE, SIDE, seed=number)))
        (masks / f"{number:02}{suffix}.png").write_bytes(encode_mask(mask_of(number, most=most)))
    return folder


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    write_pairs(tmp_path / "images", range(16), masks=tmp_path / "masks")
    return tmp_path


def load(folder: Path, **keys: Any) -> Dataset:
    return Images.model_validate({"path": str(folder / "images"), "masks": str(folder / "masks"), **keys}).load()


def names(dataset: Dataset, split: str = "train") -> list[str]:
    origins = dataset.splits[split].origins
    assert origins is not None
    return [str(name) for name in origins]


def check_pairs(dataset: Dataset) -> None:
    """Check that each image of each split has the mask of its number."""
    for split in dataset.splits.values():
        assert split.origins is not None
        assert split.target is not None
        for name, pixels, mask in zip(split.origins, split.features, split.target, strict=True):
            number = int(Path(str(name)).stem)
            np.testing.assert_array_equal(pixels, blocks(SIDE, SIDE, seed=number))
            np.testing.assert_array_equal(mask, mask_of(number))


def test_each_image_has_its_mask_and_each_value_is_a_class(pairs: Path) -> None:
    dataset = load(pairs, test=0.25, validation=0.25)
    check_pairs(dataset)
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 9, "validation": 3, "test": 4}
    assert dataset.target == Target("mask", 4, ("0", "1", "2", "3"))
    assert "classes: 4, the values in the masks: 0, 1, 2, 3" in dataset.notes
    (split, *_) = dataset.splits.values()
    assert split.target is not None
    assert split.target.dtype == np.uint8
    described = Images(path=str(pairs / "images"), masks=str(pairs / "masks")).describe()
    assert described is not None
    assert (described.features, described.target) == (dataset.features, Target("mask", 4))
    assert load(pairs, mask_values=CLASSES).fingerprint != load(pairs).fingerprint


def test_named_classes_join_values_and_an_ignored_value_counts_for_none(pairs: Path) -> None:
    dataset = load(pairs, mask_values=CLASSES, size=(8, 8))
    assert dataset.target == Target("mask", 3, ("back", "front", "edge"))
    masks = dataset.splits["train"].target
    assert masks is not None
    assert [mask[1, 1] for mask in masks] == [0, 1, 2, 2] * 4
    ignored = load(pairs, ignored_mask_value=2)
    assert ignored.target == Target("mask", 3, ("0", "1", "3"))
    masks = ignored.splits["train"].target
    assert masks is not None
    assert [mask[0, 0] for mask in masks] == [0, 1, IGNORED_CLASS, 2] * 4


def test_folders_train_and_test_have_theirs_in_the_folder_of_masks(tmp_path: Path) -> None:
    for split, numbers in (("train", range(8)), ("test", range(8, 12)), ("val", range(12, 16))):
        write_pairs(tmp_path / "images" / split, numbers, masks=tmp_path / "masks" / split)
    dataset = load(tmp_path)
    check_pairs(dataset)
    assert [*map(len, dataset.splits.values())] == [8, 4, 4]


def test_masks_beside_the_folders_of_the_splits_do_not_make_these_classes(tmp_path: Path) -> None:
    for split, numbers in (("train", range(8)), ("test", range(8, 12))):
        write_pairs(tmp_path / split, numbers, masks=tmp_path / "masks" / split)
    dataset = Images(path=str(tmp_path), masks=str(tmp_path / "masks")).load()
    check_pairs(dataset)
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 8, "test": 4}


def test_test_path_has_its_masks_in_the_same_folder(pairs: Path) -> None:
    write_pairs(pairs / "more", range(4, 8), masks=pairs / "masks")
    dataset = load(pairs, test_path=str(pairs / "more"))
    check_pairs(dataset)
    assert names(dataset, "test") == ["04.png", "05.png", "06.png", "07.png"]


@pytest.mark.parametrize("below", ["", "train"])
def test_images_and_masks_in_one_folder_are_told_apart_by_the_suffix(tmp_path: Path, below: str) -> None:
    write_pairs(tmp_path / below, range(5), masks=tmp_path / below, suffix="_mask")
    source = Images(path=str(tmp_path), masks=str(tmp_path), mask_suffix="_mask")
    assert list(source.problems()) == []
    dataset = source.load()
    check_pairs(dataset)
    assert len(dataset.splits["train"]) == 5


def test_masks_in_a_folder_within_that_of_the_images_are_no_images(tmp_path: Path) -> None:
    write_pairs(tmp_path, range(5), masks=tmp_path / "masks")
    dataset = Images(path=str(tmp_path), masks=str(tmp_path / "masks")).load()
    check_pairs(dataset)
    assert len(dataset.splits["train"]) == 5


def write_list(folder: Path, name: str, numbers: range, *, column: str = "seg") -> str:
    rows = [f"images/{number:02}.png,masks/{number:02}.png,{number // 4},{number / 10}" for number in numbers]
    (folder / name).write_text("\n".join([f"path,{column},patient,w", *rows]) + "\n")
    return str(folder / name)


def test_a_list_has_the_masks_in_a_column(pairs: Path) -> None:
    path, test = write_list(pairs, "a.csv", range(12)), write_list(pairs, "b.csv", range(12, 16))
    source = Images(path=path, mask_column="seg", test_path=test, validation=0.25, weight="w")
    assert list(source.problems()) == []
    dataset = source.load()
    check_pairs(dataset)
    assert [*map(len, dataset.splits.values())] == [9, 3, 4]
    weights = dataset.splits["test"].weight
    assert weights is not None
    np.testing.assert_allclose(weights, np.arange(12, 16) / 10, rtol=1e-6)
    assert pairs / "masks" / "03.png" in source.places()
    write_list(pairs, "b.csv", range(12, 16), column="mask")
    with pytest.raises(DataError, match="seg"):
        source.load()


def test_masks_stay_with_their_images_in_folds_and_groups(pairs: Path) -> None:
    path = write_list(pairs, "a.csv", range(16))
    for index in range(3):
        fold = Fold(index=index, count=3)
        dataset = Images(path=path, mask_column="seg", group="patient", test=0.25, fold=fold).load()
        check_pairs(dataset)
        patients = [{int(Path(name).stem) // 4 for name in names(dataset, split)} for split in dataset.splits]
        assert sum(map(len, patients)) == len(set.union(*patients)) == 4
    for number in range(6):
        write_pairs(pairs / "groups" / f"{number}", range(2 * number, 2 * number + 2), masks=pairs / "m" / f"{number}")
    dataset = Images(path=str(pairs / "groups"), masks=str(pairs / "m"), group="folder", test=0.3).load()
    check_pairs(dataset)
    folders = [{name.split("/")[0] for name in names(dataset, split)} for split in dataset.splits]
    assert [*map(len, folders)] == [4, 2]
    assert not folders[0] & folders[1]


def test_a_missing_mask_is_an_error_before_anything_is_read(pairs: Path) -> None:
    (pairs / "masks" / "03.png").unlink()
    source = Images(path=str(pairs / "images"), masks=str(pairs / "masks"))
    for check in (source.check_files, source.load):
        with pytest.raises(DataError, match=r"1 of 16 images in .*images have no mask in .*masks: 03\.png"):
            check()
    assert source.describe() is None
    (pairs / "masks").rename(pairs / "elsewhere")
    with pytest.raises(DataError, match=r"masks cannot be read: no such file") as raised:
        source.check_files()
    assert raised.value.expected == "a folder of masks"


CUT_SHORT = encode_mask(np.random.default_rng(0).integers(0, 4, (SIDE, SIDE), np.int32))[:-40]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"words", "it is text"),
        (CUT_SHORT, "damaged or cut short"),
        (encode_mask(mask_of(3) + 7), "row 0, column 0 has the value 10, which is not that of a class"),
        (saved(np.zeros((SIDE, SIDE), np.uint8), "JPEG"), "it is a JPEG"),
    ],
)
@pytest.mark.parametrize("values", [{}, CLASSES])
def test_a_mask_that_cannot_be_read_is_named_or_left_out_with_its_image(
    pairs: Path, content: bytes, said: str, values: dict[str, Any]
) -> None:
    (pairs / "masks" / "03.png").write_bytes(content)
    if "not that of a class" in said and not values:
        assert load(pairs).target == Target("mask", 6, ("0", "1", "2", "3", "7", "10"))
        return
    with pytest.raises(DataError, match=rf"03\.png cannot be read: .*{said}") as raised:
        load(pairs, mask_values=values)
    assert "corrupt: skip" in raised.value.hint
    dataset = load(pairs, mask_values=values, corrupt="skip")
    assert names(dataset) == [f"{number:02}.png" for number in range(16) if number != 3]
    assert [said in note for note in dataset.notes if note.startswith("corrupt: ")] == [True]
    if not values:
        check_pairs(dataset)


def test_an_image_and_another_mask_that_cannot_be_decoded_are_both_left_out(pairs: Path) -> None:
    (pairs / "images" / "02.png").write_bytes((pairs / "images" / "02.png").read_bytes()[:-20])
    (pairs / "masks" / "05.png").write_bytes(CUT_SHORT)
    dataset = load(pairs, corrupt="skip")
    assert names(dataset) == [f"{number:02}.png" for number in range(16) if number not in (2, 5)]
    check_pairs(dataset)


def test_where_nothing_of_a_split_can_be_decoded_that_is_the_error(pairs: Path) -> None:
    write_pairs(pairs / "more", range(16, 18), masks=pairs / "masks")
    (pairs / "more" / "16.png").write_bytes((pairs / "more" / "16.png").read_bytes()[:-20])
    (pairs / "masks" / "17.png").write_bytes(CUT_SHORT)
    with pytest.raises(DataError, match="2 of 2 images cannot be read"):
        load(pairs, test_path=str(pairs / "more"), corrupt="skip")


def test_a_value_that_occurs_in_other_splits_only_is_an_error(pairs: Path) -> None:
    write_pairs(pairs / "more", range(16, 20), masks=pairs / "masks", most=19)
    with pytest.raises(DataError, match=r"has the value 16, which is not that of a class \(0, 1, 2, 3\)"):
        load(pairs, test_path=str(pairs / "more"))


def test_one_value_and_too_many_values_are_no_classes(tmp_path: Path) -> None:
    write_pairs(tmp_path / "images", range(2), masks=tmp_path / "masks", most=1)
    with pytest.raises(DataError, match=r"all pixels of the masks in .* have the value 0"):
        load(tmp_path)
    ramp = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    for number in range(2):
        (tmp_path / "masks" / f"0{number}.png").write_bytes(encode_mask((ramp * (number + 1)).astype(np.int32)))
    with pytest.raises(DataError, match="different values: 0, 1, 2,"):
        load(tmp_path)


def test_a_mask_of_another_size_than_its_image_is_an_error_also_if_both_are_resized(pairs: Path) -> None:
    (pairs / "masks" / "03.png").write_bytes(encode_mask(np.zeros((SIDE, 12), np.int32)))
    for keys in ({}, {"size": (8, 8)}):
        with pytest.raises(DataError, match=r"03\.png has 16 x 12 pixels, but its image 03\.png has 16 x 16"):
            load(pairs, **keys)


def test_an_image_that_its_mark_turns_has_an_upright_mask(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    upright = np.zeros((24, 16, 3), np.uint8)
    upright[:8, :8] = 255
    mask = (upright[..., 0] > 0).astype(np.uint8)
    (tmp_path / "images" / "a.png").write_bytes(saved(np.rot90(upright), "PNG", orientation=6))
    (tmp_path / "masks" / "a.png").write_bytes(saved(mask, "PNG"))
    (tmp_path / "images" / "b.png").write_bytes(saved(np.rot90(upright), "PNG", orientation=6))
    (tmp_path / "masks" / "b.png").write_bytes(saved(np.rot90(mask), "PNG", orientation=6))
    split = load(tmp_path).splits["train"]
    for pixels, found in zip(split.features, split.target, strict=True):  # type: ignore[arg-type]
        np.testing.assert_array_equal(pixels[..., 0], upright[..., 0])
        np.testing.assert_array_equal(found, mask)
    (tmp_path / "masks" / "b.png").write_bytes(saved(np.rot90(mask), "PNG"))
    with pytest.raises(DataError, match=r"b\.png has 16 x 24 pixels") as raised:
        load(tmp_path)
    assert "EXIF" in raised.value.hint


@pytest.mark.parametrize("fit", ["resize", "crop", "pad"])
def test_images_of_many_sizes_and_their_masks_are_resized_alike(tmp_path: Path, fit: str) -> None:
    """In images that equal their masks, a pixel of the one is near that of the other."""
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for number, (height, width) in enumerate(((32, 48), (48, 32), (40, 40))):
        mask = np.kron(np.random.default_rng(number).integers(0, 2, (height // 8, width // 8)), np.ones((8, 8)))
        content = png((mask * 255).astype(np.uint8)[..., None])
        for name in ("images", "masks"):
            (tmp_path / name / f"{number}.png").write_bytes(content)
    split = load(tmp_path, size=(32, 32), fit=fit).splits["train"]
    assert split.target is not None
    ignored = split.target == IGNORED_CLASS
    assert ignored.any() == (fit == "pad")
    assert (split.features[..., 0][ignored] < 255).all()
    shown = np.where(split.target == 1, 255, 0)
    clear = np.isin(split.features[..., 0], (0, 255)) & ~ignored
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(shown[clear], split.features[..., 0][clear])


def test_masks_that_do_not_fit_into_memory_are_kept_in_a_file_beside_their_images(
    pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pairs / "masks" / "05.png").write_bytes(CUT_SHORT)
    keys: dict[str, Any] = {"validation": 0.25, "corrupt": "skip", "mask_values": EACH}
    in_memory = load(pairs, **keys)
    monkeypatch.setattr("dlrun.data.media.loading.free_memory", lambda: 1000)
    monkeypatch.setenv("DLRUN_CACHE_SIZE", "1")  # nothing is evicted that this data needs
    first, second = load(pairs, **keys), load(pairs, **keys)
    assert first.fingerprint == second.fingerprint == in_memory.fingerprint
    for dataset, said in ((first, "also for later runs"), (second, "where an earlier run stored them")):
        assert isinstance(dataset.splits["train"].target, np.memmap)
        assert said in str(dataset.notes)
        assert names(dataset) == names(in_memory)
        check_pairs(dataset)
    kept = Path(os.environ["DLRUN_CACHE"])
    assert [len([*(kept / kind).glob("*/content")]) for kind in ("images", "masks")] == [2, 2]


def found_problems(pairs: Path, **keys: Any) -> list[tuple[tuple[str | int, ...], str]]:
    source = Images.model_validate({"path": str(pairs / "images"), **keys})
    return [(problem.path, problem.what) for problem in source.problems()]


def test_keys_of_masks_that_contradict_others_are_problems_of_the_spec(pairs: Path) -> None:
    masks, listed = str(pairs / "masks"), write_list(pairs, "a.csv", range(4))
    assert found_problems(pairs, masks=masks) == []
    for keys, paths in (
        ({"mask_column": "seg"}, [("mask_column",)]),
        ({"path": listed, "masks": masks}, [("masks",)]),
        ({"path": listed, "mask_column": "segg"}, [("mask_column",)]),
        ({"path": listed, "mask_column": "seg", "test_path": masks}, [("test_path",)]),
        ({"masks": masks, "test_path": listed}, [("test_path",)]),
        ({"masks": str(pairs / "images")}, [("masks",)]),
        ({"mask_suffix": "_m"}, [("mask_suffix",)]),
        ({"mask_values": CLASSES}, [("mask_values",)]),
        ({"ignored_mask_value": 0}, [("ignored_mask_value",)]),
        ({"path": listed, "mask_column": "seg", "label_column": "w"}, [("label_column",)]),
        ({"path": listed, "mask_column": "seg", "task": "classification"}, [("task",)]),
        ({"masks": masks, "mask_values": {"a": 0}}, [("mask_values",)]),
        ({"masks": masks, "mask_values": {"a": 0, "b": ()}}, [("mask_values", "b")]),
        ({"masks": masks, "mask_values": {"a": 0, "b": (1, "#000000")}}, [("mask_values", "b")]),
        ({"masks": masks, "mask_values": {"a": 0, "b": 1}, "ignored_mask_value": 1}, [("mask_values", "b")]),
    ):
        assert [path for path, _ in found_problems(pairs, **keys)] == paths, keys
    assert "each would be its own mask" in found_problems(pairs, masks=str(pairs / "images"))[0][1]


def test_a_pixel_has_the_value_of_its_index_and_not_of_its_color(pairs: Path) -> None:
    for number in range(16):
        image = PIL.Image.fromarray(mask_of(number).astype(np.uint8), "P")
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0])
        image.save(pairs / "masks" / f"{number:02}.png")
    check_pairs(load(pairs))


def test_a_wrong_class_is_shown_with_its_line_and_a_caret(pairs: Path) -> None:
    text = (
        f"dataset:\n  type: images\n  path: {pairs / 'images'}\n  masks: {pairs / 'masks'}\n"
        "  mask_values:\n    ground: 0\n    car: ['#000000', red]\n"
        "model: unet\nloss: dice_crossentropy\n"
    )
    (pairs / "x.yaml").write_text(text)
    with pytest.raises(SpecError, match="red is not a value of a pixel") as raised:
        read_spec(pairs / "x.yaml")
    assert [(problem.line, problem.column) for problem in raised.value.problems] == [(7, 22)]
    (pairs / "x.yaml").write_text(text.replace("['#000000', red]", "['#000000', 1]"))
    with pytest.raises(SpecError, match="a value of car is also that of ground") as raised:
        read_spec(pairs / "x.yaml")
    assert raised.value.problems[0].line == 7
