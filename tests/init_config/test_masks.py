"""A config for images with masks: what it says of them, and that it fits them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.data.masks.pixels import COLOR
from dlrun.errors import DataError
from dlrun.init_config.draft import Wishes
from dlrun.init_config.write import write_config
from dlrun.search.auto.config import AutoWishes, write_auto_config
from dlrun.search.plan import SearchOptions, plan_search
from dlrun.spec.parse import read_spec
from pictures import blocks, png, saved, write_pairs
from written_configs import check_fits


def written(tmp_path: Path, data: str = "", **wishes: Any) -> tuple[dict[str, Any], tuple[str, ...], str]:
    """The spec, the messages and the text of a config for some data."""
    config = write_config(data or str(tmp_path), tmp_path / "x.yaml", Wishes(**wishes), force=True)
    return read_spec(config.path).spec.plain(), config.messages, config.path.read_text()


@pytest.mark.tensorflow
def test_folders_of_images_and_masks_get_a_u_net_that_fits_them(tmp_path: Path) -> None:
    write_pairs(tmp_path / "images", tmp_path / "masks", (0, 1, 2), count=40, side=24)
    spec, messages, text = written(tmp_path)
    assert (spec["dataset"]["path"], spec["dataset"]["masks"]) == (str(tmp_path / "images"), str(tmp_path / "masks"))
    assert spec["dataset"]["augmentation"]["flip"] == "horizontal"
    assert (spec["model"]["type"], spec["model"]["filters"]) == ("unet", [16, 32, 64])
    assert spec["loss"]["type"] == "dice_crossentropy"
    assert [metric["type"] for metric in spec["metrics"]] == ["accuracy", "mean_io_u"]
    assert spec["training"]["monitor"] == "val_mean_io_u"
    assert spec["training"]["batch_size"] == 8
    assert messages == (f"masks: those of {tmp_path / 'masks'}", "classes: 3: 0, 1, 2")
    assert "ignored_mask_value" not in text
    check_fits(tmp_path / "x.yaml")


@pytest.mark.parametrize(
    ("values", "classes", "ignored"),
    [
        ((0, 255), {"background": 0, "foreground": 255}, None),
        ((0, 1), {"background": 0, "foreground": 1}, None),
        ((0, COLOR + 0xFF0000), {"background": 0, "foreground": "#ff0000"}, None),
        ((1, 2), {}, None),
        ((0, 1, 2, 255), {}, 255),
        ((0, 1, 255), {"background": 0, "foreground": 1}, 255),
        ((0, 128, 255), {}, None),
        ((0, COLOR + 0x800000, COLOR + 0x008000, COLOR + 0xE0E0C0), {}, "#e0e0c0"),
    ],
)
def test_values_are_classes_and_those_of_unclear_borders_do_not_count(
    tmp_path: Path, values: tuple[int, ...], classes: dict[str, Any], ignored: int | str | None
) -> None:
    write_pairs(tmp_path / "images", tmp_path / "masks", values)
    spec, messages, text = written(tmp_path)
    assert spec["dataset"]["mask_values"] == classes
    assert spec["dataset"]["ignored_mask_value"] == ignored
    assert any("PASCAL VOC" in message for message in messages) == (ignored is not None)
    assert ("To name or join them" in text) == (not classes)
    (of_classes,) = [message for message in messages if message.startswith("classes: ")]
    assert of_classes.startswith(f"classes: {len(values) - (ignored is not None)}: ")


def test_a_suffix_and_many_sizes_and_an_unreadable_image_are_in_the_config(tmp_path: Path) -> None:
    write_pairs(tmp_path, tmp_path, suffix="_mask", count=40)
    write_pairs(tmp_path / "large", tmp_path / "large", suffix="_mask", count=2, side=64)
    (tmp_path / "large" / "000.png").write_bytes(b"words")
    (tmp_path / "large" / "wide.png").write_bytes(png(blocks(64, 256)))
    (tmp_path / "large" / "wide_mask.png").write_bytes(png(np.zeros((64, 256, 1), np.uint8)))
    spec, messages, _ = written(tmp_path, test=0.3)
    assert spec["dataset"]["mask_suffix"] == "_mask"
    assert (spec["dataset"]["size"], spec["dataset"]["corrupt"]) == ([32, 32], "skip")
    assert spec["dataset"]["test"] == 0.3
    assert messages[0] == f"masks: those of {tmp_path}, with _mask behind the name of the image"
    assert messages[2].startswith("size: 32 x 32")


@pytest.mark.tensorflow
def test_a_list_with_a_column_of_masks_is_one_of_masks_also_without_a_line_of_names(tmp_path: Path) -> None:
    write_pairs(tmp_path / "i", tmp_path / "m", (0, 255), count=40)
    rows = "".join(f"i/{number:03}.png,m/{number:03}.png,{number % 3}\n" for number in range(40))
    (tmp_path / "list.csv").write_text("photo,mask,quality\n" + rows)
    spec, messages, _ = written(tmp_path, str(tmp_path / "list.csv"))
    assert (spec["dataset"]["image_column"], spec["dataset"]["mask_column"]) == ("photo", "mask")
    assert messages == ("masks: those of the column 'mask'", "classes: 2: background (0) and foreground (255)")
    check_fits(tmp_path / "x.yaml")
    spec, *_ = written(tmp_path, str(tmp_path / "list.csv"), target="quality")
    assert (spec["dataset"]["mask_column"], spec["model"]["type"]) == (None, "cnn")
    (tmp_path / "bare.csv").write_text(rows)
    spec, *_ = written(tmp_path, str(tmp_path / "bare.csv"))
    assert spec["dataset"]["mask_column"] is not None
    assert spec["dataset"]["header"] is False


def test_folders_of_splits_give_them(tmp_path: Path) -> None:
    for split, count in (("train", 30), ("test", 4)):
        write_pairs(tmp_path / "images" / split, tmp_path / "masks" / split, count=count)
    spec, _, text = written(tmp_path)
    assert (spec["dataset"]["test"], spec["dataset"]["validation"]) == (0, 0.1)
    assert "train 30, test 4" in " ".join(text.replace("#", "").split())


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda pixels: saved(pixels, "JPEG"), "none of the masks .* can be read"),
        (lambda pixels: saved(pixels * 0 + 3, "PNG"), "all pixels of the masks .* have the value 3"),
        (lambda _: saved(np.arange(256, dtype=np.uint16).reshape(16, 16) * 7, "PNG"), "256 different values: 0, 7, 14"),
    ],
)
def test_masks_that_have_no_classes_are_an_error(tmp_path: Path, spoil: Any, said: str) -> None:
    write_pairs(tmp_path / "images", tmp_path / "masks")
    for path in (tmp_path / "masks").iterdir():
        path.write_bytes(spoil(np.zeros((16, 16), np.uint8)))
    with pytest.raises(DataError, match=said):
        written(tmp_path)
    assert not (tmp_path / "x.yaml").exists()


def test_images_without_masks_are_named_before_a_config_is_written(tmp_path: Path) -> None:
    write_pairs(tmp_path / "images", tmp_path / "masks")
    (tmp_path / "masks" / "002.png").unlink()
    with pytest.raises(DataError, match=r"1 of 6 images in .* have no mask in .*: 002\.png"):
        written(tmp_path)


def test_auto_searches_width_dropout_and_augmentation_of_the_u_net(tmp_path: Path) -> None:
    write_pairs(tmp_path / "images", tmp_path / "masks", count=40)
    write_auto_config(AutoWishes(str(tmp_path), tmp_path / "auto.yaml", minutes=5.0, metric="mean_io_u"))
    plan, section = plan_search(SearchOptions(tmp_path / "auto.yaml"))
    assert plan.first is not None  # the config itself is a point of the space
    text = (tmp_path / "auto.yaml").read_text()
    assert "metric: val_mean_io_u" in text
    for key in ("model.filters", "model.dropout", "model.residual", "dataset.augmentation", "optimizer.learning_rate"):
        assert f"{key}:" in text, key
    assert section.keys.minutes == 5
