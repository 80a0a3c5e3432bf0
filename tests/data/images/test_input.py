"""Image files for a prediction: `read` and the model of `build` give the same; models of arrays read them too."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dlrun.data.array_input import ArrayInput
from dlrun.data.builtin import Builtin
from dlrun.data.image_files.form import ImageForm
from dlrun.data.images.input import ImageInput, MaskInput
from dlrun.data.images.source import Images
from dlrun.data.inspection.inspected import inspect_source
from dlrun.data.interface import Interface, parse_interface
from dlrun.data.masks.classes import MaskClasses
from dlrun.data.preprocess import ArrayPreprocess
from dlrun.errors import DataError
from dlrun.signature import Features, Target
from pictures import CMYK_JPEG, GIF, blocks, bmp, jpeg, png, saved, unpacked, write_classes

pytestmark = pytest.mark.tensorflow


def read(raw: Any, source: object, **options: Any) -> list[Any]:
    return list(raw.read(str(source), at_once=3, **options))


def write_all_kinds(folder: Path) -> Path:
    """Files of every format, of odd sizes, with noise, so that every rounding is met."""
    noise = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    contents = (png(noise), jpeg(noise[:20], orientation=6), bmp(noise[:, :9]), png(noise[..., :1]), unpacked(GIF),
                unpacked(CMYK_JPEG), png(noise[:1]), png(noise[:, :1]), png(noise[:24, :32]), saved(noise, "WEBP"),
                saved(noise[..., :1], "TIFF"), saved(noise[:, :8], "PPM"))  # fmt: skip
    for index, content in enumerate(contents):
        (folder / f"bild {index} ü.img.PNG").write_bytes(content)
    return folder


@pytest.mark.parametrize("fit", ["resize", "crop", "pad"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_model_of_build_gives_what_read_gives(tmp_path: Path, fit: Any, channels: int) -> None:
    import keras

    raw = ImageInput(ImageForm(24, 32, channels, fit))
    raw.build().save(tmp_path / "raw.keras")
    model = keras.saving.load_model(tmp_path / "raw.keras")
    inputs = keras.Input((None, None, channels), dtype="uint8", name="image")
    joined = keras.Model(inputs, keras.layers.Rescaling(1 / 255)(model(inputs, training=False)))
    (tmp_path / "files").mkdir()
    parts = read(raw, write_all_kinds(tmp_path / "files"))
    assert [len(part) for part in parts] == [3, 3, 3, 3]
    for part in parts:
        for index in range(len(part)):
            made = model(raw.deployed(part, index)["image"]).numpy()
            assert made.dtype == part.stored.dtype == np.uint8
            np.testing.assert_array_equal(made[0], part.stored[index], err_msg=part.names[index])
            within = joined.predict_on_batch(raw.deployed(part, index)["image"]) * 255
            np.testing.assert_allclose(within[0], part.stored[index], atol=1e-3)


def test_a_file_a_folder_a_glob_a_csv_and_standard_input_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, target = ImageInput(ImageForm(16, 16, 3)), Target("classes", 3, ("a", "b", "c"))
    folder = write_classes(tmp_path / "files", count=2, classes=("c", "a"))
    (part,) = read(raw, folder / "c" / "001.png")
    np.testing.assert_array_equal(part.stored, [blocks(16, 16, seed=1)])
    assert [name for part in read(raw, folder) for name in part.names] == [
        "a/000.png", "a/001.png", "c/000.png", "c/001.png",
    ]  # fmt: skip
    assert [len(part) for part in read(raw, folder / "*" / "001.png")] == [2]
    labelled = read(raw, folder, target=target)
    assert np.concatenate([part.target for part in labelled]).tolist() == [0, 0, 2, 2]
    (tmp_path / "table.csv").write_text("path,label\nfiles/c/000.png,c\nfiles/a/000.png,a\n")
    (part,) = read(raw, tmp_path / "table.csv", target=target)
    assert part.target.tolist() == [2, 0]
    assert read(raw, tmp_path / "table.csv")[0].target is None
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO((folder / "a" / "000.png").read_bytes())))
    (part,) = read(raw, "-")
    np.testing.assert_array_equal(part.stored, [blocks(16, 16, seed=1000)])
    assert raw.deployed(part, 0)["image"].shape == (1, 16, 16, 3)


def test_what_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    raw, target = ImageInput(ImageForm(16, 16, 3)), Target("classes", 2, ("a", "b"))
    folder = write_classes(tmp_path / "files", count=2)
    (folder / "b" / "001.png").write_bytes(png(blocks(16, 16))[:-20])
    with pytest.raises(DataError, match=r"b/001.png cannot be read: Invalid PNG"):
        read(raw, folder)
    (folder / "b" / "000.png").write_text("words")
    with pytest.raises(DataError, match=r"b/000.png cannot be read: it is text"):
        read(raw, folder)
    with pytest.raises(DataError, match="nowhere does not exist"):
        read(raw, tmp_path / "nowhere")
    with pytest.raises(DataError, match="has no labels"):
        read(raw, folder / "a" / "000.png", target=target)
    (folder / "b").rename(folder / "d")
    with pytest.raises(DataError, match="has the class 'd'"):
        read(raw, folder, target=target)


def test_a_csv_without_a_line_of_names_is_told_as_that(tmp_path: Path) -> None:
    write_classes(tmp_path, count=1)
    (tmp_path / "bare.csv").write_text("a/000.png,a\nb/000.png,b\n")
    for target in (None, Target("classes", 2, ("a", "b"))):
        with pytest.raises(DataError, match=r"the first line of .*bare\.csv is a row"):
            read(ImageInput(ImageForm(16, 16, 3)), tmp_path / "bare.csv", target=target)
    source = Images.model_validate({"path": str(tmp_path / "bare.csv")})
    assert not list(source.problems())  # load() says it
    with pytest.raises(DataError, match="is a row"):
        source.load()


def test_messages_about_a_csv_name_it_and_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_classes(tmp_path, count=1)
    monkeypatch.chdir(tmp_path)
    raw, target = ImageInput(ImageForm(16, 16, 3)), Target("classes", 2, ("a", "b"))
    Path("odd.csv").write_text("path,label\na/000.png,a\n\nb/000.png,hexagon\nnope.png,a\n")
    with pytest.raises(DataError, match=r"^odd\.csv: line 4 has the class 'hexagon', which"):
        read(raw, "odd.csv", target=target)
    with pytest.raises(DataError, match=r"^odd\.csv: line 5: nope\.png cannot be read: no such file"):
        read(raw, "odd.csv")
    with pytest.raises(DataError, match=r"^odd\.csv: line 5: nope\.png cannot be read: no such file"):
        Images.model_validate({"path": "odd.csv"}).load()
    found = inspect_source(Images.model_validate({"path": "odd.csv"})).files
    assert found is not None
    assert found.corrupt == {"nope.png": "no such file or directory"}
    Path("empty.csv").write_text("")
    for asked in (None, target):
        with pytest.raises(DataError, match=r"^empty\.csv has no lines"):
            read(raw, "empty.csv", target=asked)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"words")))
    with pytest.raises(DataError, match=r"^standard input cannot be read: it is text"):
        read(raw, "-")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"path\nnone.png\n")))
    with pytest.raises(DataError, match=r"^standard input: line 2: none\.png cannot be read"):
        read(raw, "-")


def test_classes_are_no_true_values_of_a_model_that_predicts_numbers(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "files", count=1)
    values = Target("values", 1, encoding="value")
    for raw in (ImageInput(ImageForm(16, 16, 3)), ArrayInput((16, 16, 3), "uint8", 255.0)):
        with pytest.raises(DataError, match="files has classes, but the model predicts numbers"):
            read(raw, folder, target=values)
    (tmp_path / "table.csv").write_text("path,label\nfiles/a/000.png,2.5\nfiles/b/000.png,4\n")
    (part,) = read(ImageInput(ImageForm(16, 16, 3)), tmp_path / "table.csv", target=values)
    assert part.target.tolist() == [2.5, 4]
    with pytest.raises(DataError, match=r"class '2\.5'"):
        read(ImageInput(ImageForm(16, 16, 3)), tmp_path / "table.csv", target=Target("classes", 2, ("a", "b")))
    with pytest.raises(DataError, match="has one label for each image"):
        read(ArrayInput((16, 16, 3), "uint8", 255.0), folder, target=Target("labels", 2, encoding="binary"))


def test_a_model_of_image_arrays_reads_pictures_in_the_range_of_its_values(tmp_path: Path) -> None:
    write_classes(tmp_path, count=1, classes=("3", "7"))
    pixels = blocks(16, 16)
    for dtype, white, expected in (
        ("uint8", 255.0, pixels),
        ("uint8", 16.0, np.round(pixels / 255 * 16)),
        ("float32", 1.0, pixels / np.float32(255)),
    ):
        raw = ArrayInput((16, 16, 3), dtype, white)
        (part,) = read(raw, tmp_path, target=Target("classes", 10))
        assert part.stored.dtype == dtype
        np.testing.assert_allclose(part.stored[0], expected, rtol=1e-6)
        assert part.target.tolist() == [3, 7]
        np.testing.assert_array_equal(raw.deployed(part, 1)["features"], part.stored[1:])
    np.save(tmp_path / "images.npy", np.zeros((2, 16, 16, 3), np.uint8))
    assert read(ArrayInput((16, 16, 3), "uint8", 255.0), tmp_path / "images.npy")[0].names == ["row 0", "row 1"]
    assert Builtin.model_validate({"name": "digits"}).load().raw_input() == ArrayInput((8, 8, 1), "uint8", 16.0)
    assert Builtin.model_validate({"name": "wine"}).load().raw_input() == ArrayInput((13,), "float32")


def test_image_input_survives_json() -> None:
    import json

    raw = ImageInput(ImageForm(16, 16, 3, "pad"), "where", label_column="what")
    interface = Interface("x", raw, ArrayPreprocess((16, 16, 3)), Features("image", (16, 16, 3)), Target("classes", 2))
    assert parse_interface(json.dumps(interface.plain()).encode(), origin="x") == interface


def test_other_columns_of_a_csv_of_images_go_along(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / f"{name}.png").write_bytes(png(np.zeros((4, 4, 3), np.uint8)))
    (tmp_path / "b.png").write_bytes(b"broken")
    (tmp_path / "x.csv").write_text("id,path,note\n1,a.png,first\n2,b.png,\n3,c.png\n4,d.png,last\n")
    raw = ImageInput(ImageForm(4, 4, 3), corrupt="skip").keeping(["id", "note"])
    found = [block.kept for block in read(raw, tmp_path / "x.csv") if len(block)]
    assert found == [{"id": ["1", "3", "4"], "note": ["first", "", "last"]}]
    both = [tmp_path / "x.csv", tmp_path / "x.csv"]
    blocks = raw.read_several([str(each) for each in both], at_once=10)
    assert [block.kept["id"] for block in blocks if len(block)] == [["1", "3", "4"] * 2]
    for source, said in ((tmp_path / "x.csv", "did you mean 'note'"), (tmp_path, "is not a CSV")):
        with pytest.raises(DataError) as raised:
            read(raw.keeping(["notes"]), source)
        assert said in str(raised.value)


def test_masks_beside_the_images_of_a_folder_are_not_predicted(tmp_path: Path) -> None:
    for name in ("a.png", "a_mask.png", "b_mask.png", "sub/c.png", "sub/c_mask.png", "masks/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png(blocks(8, 8)))
    classes = MaskClasses(("x", "y"), ((0,), (1,)))
    masks = MaskInput(classes, suffix="_mask", folder=str(tmp_path / "masks"))
    raw = ImageInput(ImageForm(4, 4, 3), masks=masks)
    (part,) = read(raw, tmp_path)
    assert part.names == ["a.png", "b_mask.png", "sub/c.png"]  # there is no b
    for source in ("a_mask.png", "*/c_mask.png", "masks"):  # what is asked for by name is predicted
        assert sum(map(len, read(raw, tmp_path / source))) == 1
    assert sum(map(len, read(ImageInput(ImageForm(4, 4, 3)), tmp_path))) == 3 + 3
