"""Masks that do not fit their images are named, all at once; so are lone classes and small areas."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.cli.data.show import facts_page
from dlrun.data.images.source import Images
from dlrun.data.inspection.check import find_all
from dlrun.data.inspection.facts import describe_dataset
from dlrun.data.inspection.finding import Finding
from dlrun.data.inspection.inspected import inspect_source
from dlrun.data.inspection.picture import draw_images
from dlrun.data.masks.pixels import encode_mask
from pictures import blocks, png, write_pairs

pytestmark = pytest.mark.tensorflow


def source(folder: Path, **keys: Any) -> Images:
    return Images.model_validate({"path": str(folder / "images"), "masks": str(folder / "masks"), **keys})


def findings(folder: Path, **keys: Any) -> dict[str, Finding]:
    return {finding.check: finding for finding in find_all(inspect_source(source(folder, **keys)))}


def write_mask(folder: Path, number: int, values: Any) -> None:
    (folder / "masks" / f"{number:03}.png").write_bytes(encode_mask(np.asarray(values, np.int32)))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    write_pairs(tmp_path / "images", tmp_path / "masks", (0, 1), count=24)
    return tmp_path


def test_masks_without_problems_pass_every_check(pairs: Path) -> None:
    found = findings(pairs, test=0.25)
    assert {finding.status for finding in found.values()} == {"pass"}
    assert found["images without masks"].said == "each of 24 images has one"
    assert {"mask sizes", "corrupt masks", "lone classes", "imbalance of pixels", "duplicates test"} <= set(found)


def test_each_mask_that_does_not_fit_is_named_and_its_image_is_not_called_broken(pairs: Path) -> None:
    (pairs / "masks" / "002.png").unlink()
    write_mask(pairs, 5, np.zeros((16, 8)))
    (pairs / "masks" / "007.png").write_bytes(b"words")
    whole = encode_mask(np.random.default_rng(0).integers(0, 2, (16, 16), np.int32))
    (pairs / "masks" / "008.png").write_bytes(whole[:-30])
    write_mask(pairs, 9, np.full((16, 16), 44))
    (pairs / "images" / "011.png").write_bytes(b"words")
    found = findings(pairs, mask_values={"back": 0, "front": 1})
    assert found["images without masks"].said == "1 image: images/002.png"
    assert found["mask sizes"].said == "1 image: images/005.png (the mask has 16 x 8 pixels, the image 16 x 16)"
    said = found["corrupt masks"].said
    assert said.startswith("3 images: images/007.png (it is text")
    assert "images/008.png (it is a PNG file that is damaged or cut short" in said
    assert "images/009.png (the pixel in row 0, column 0 has the value 44" in said
    assert found["corrupt images"].said == "1 files cannot be read: images/011.png (it is text)"
    assert all(found[check].status == "failure" for check in ("images without masks", "mask sizes", "corrupt masks"))


def test_rows_without_a_mask_are_named(pairs: Path) -> None:
    rows = [f"images/{number:03}.png,{'' if number == 4 else f'masks/{number:03}.png'}" for number in range(24)]
    (pairs / "list.csv").write_text("\n".join(["path,mask", *rows]) + "\n")
    listed = Images(path=str(pairs / "list.csv"), mask_column="mask")
    found = {finding.check: finding for finding in find_all(inspect_source(listed))}
    assert found["images without masks"].said.startswith("1 image: ")
    assert "images/004.png" in found["images without masks"].said


def test_a_value_in_one_mask_and_masks_of_one_class_are_named(pairs: Path) -> None:
    mask = np.kron(np.eye(2), np.ones((8, 8)))
    mask[3, 3] = 9
    write_mask(pairs, 6, mask)
    for number in (1, 3):
        write_mask(pairs, number, np.zeros((16, 16)))
    write_mask(pairs, 2, np.full((16, 16), 255))
    found = findings(pairs, ignored_mask_value=255)
    assert found["lone classes"].said == "1 of 3 are in one: 9 (1 pixel of 006.png of train)"
    assert found["single-class masks"].said.startswith(
        "2 of 24 masks (8.3%) have a single class: 001.png of train, 003"
    )
    assert found["ignored masks"].said == "1 of 24 masks have no pixel that counts: 002.png of train"
    assert found["few examples"].said == "1 of 3 classes have few training examples: 9 (1)"
    assert found["imbalance of pixels"].status == "warning"
    for number in range(20):
        write_mask(pairs, number, np.zeros((16, 16)))
    found = findings(pairs)
    assert found["single-class masks"].status == "warning"


def test_copies_in_two_splits_are_named(tmp_path: Path) -> None:
    for split, count in (("train", 12), ("test", 6)):
        write_pairs(tmp_path / "images" / split, tmp_path / "masks" / split, count=count)
        for number in range(3, count):
            (tmp_path / "images" / split / f"{number:03}.png").write_bytes(
                png(blocks(16, 16, seed=100 * count + number))
            )
    found = findings(tmp_path)["duplicates test"]
    assert found.status == "failure"
    assert found.said == (
        "3 of 6 test examples (50.0%) are also in train: 000.png (000.png of train), 001.png (001.png of train), "
        "002.png (002.png of train)"
    )


def test_show_has_the_pixels_and_images_of_each_class_and_draws_the_masks(pairs: Path) -> None:
    mask = np.kron(np.eye(2), np.ones((8, 8)))
    mask[:4] = 255
    for number in range(24):
        write_mask(pairs, number, mask if number else np.zeros((16, 16)))
    inspected = inspect_source(source(pairs, mask_values={"back": 0, "front": 1}, ignored_mask_value=255, test=0.25))
    facts = describe_dataset(inspected, samples=2)
    assert facts.target == "mask"
    pixels = sum(sum(counts.values()) for counts in facts.pixels.values())
    assert pixels == 24 * 256
    assert sum(facts.pixels["(not counted)"].values()) == 23 * 64
    assert sum(facts.classes["front"].values()) == 23
    page = facts_page(facts)
    assert "train images with it" in page
    assert "(not counted)" in page
    assert facts.examples[1].target in ("front 50%, back 50%", "back 50%, front 50%")
    assert draw_images(inspected.dataset, pairs / "grid.png", samples=8) == 8
    import PIL.Image

    drawn = np.asarray(PIL.Image.open(pairs / "grid.png").convert("RGB")).reshape(-1, 3)
    assert (np.abs(drawn.astype(int) - (230, 159, 0)).max(axis=1) < 8).sum() > 50  # the color of front
