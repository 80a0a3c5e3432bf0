"""Predicted masks: in the size and with the pixel values of the training data, in files that replace no other."""

import csv
import io
import itertools
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import dlrun
from dlrun.cli.app import app
from dlrun.data.image_files.form import Fit, ImageForm
from dlrun.data.images.input import ImageInput, MaskInput
from dlrun.data.interface import Interface
from dlrun.data.masks.classes import MaskClasses
from dlrun.data.masks.pixels import COLOR, read_mask
from dlrun.data.preprocess import ArrayPreprocess
from dlrun.data.raw_input import Examples
from dlrun.errors import DataError, RunError, UsageError
from dlrun.prediction.masks import MaskFolder, MaskPredictor, PredictedMask, check_mask_folder
from dlrun.prediction.predict import predict
from dlrun.runs.folder import RunFolder
from dlrun.signature import Features
from pictures import blocks, jpeg, png
from shapes import shapes_config, write_shapes

GRAY = MaskClasses(("a", "b", "c"), ((3,), (7, 8), (0,)))
FITS: tuple[Fit, ...] = ("resize", "crop", "pad")
SIZES = ((4, 6), (40, 41), (13, 50), (50, 3), (1, 1))


def mask(form: ImageForm, height: int, width: int, known: MaskClasses = GRAY, file: str = "") -> PredictedMask:
    classes = np.random.default_rng(0).integers(0, len(known.names), (form.height, form.width), np.uint8)
    return PredictedMask(file, classes, form, known, height, width)


@pytest.mark.parametrize("fit", FITS)
def test_the_shares_are_those_of_the_mask_in_the_size_of_the_image(fit: Fit) -> None:
    for (height, width), (rows, columns) in itertools.product(SIZES, SIZES):
        made = mask(ImageForm(rows, columns, 3, fit), height, width, MaskClasses(GRAY.names, GRAY.values, (99,)))
        values = made.values()
        assert values.shape == (height, width)
        inside = values[values != 99]
        assert (inside.size < values.size) <= (fit == "crop")
        expected = [(inside == each[0]).mean() for each in GRAY.values]
        np.testing.assert_allclose(made.shares(), expected, rtol=1e-6, err_msg=str((fit, height, width, rows, columns)))


def test_what_is_cut_off_gets_the_ignored_value_or_the_first_class() -> None:
    form = ImageForm(2, 2, 3, "crop")
    left = MaskClasses(GRAY.names, GRAY.values, (99, 98))
    assert (mask(form, 2, 6, left).values()[:, [0, 1, 4, 5]] == 99).all()
    assert (mask(form, 2, 6).values()[:, [0, 1, 4, 5]] == 3).all()


def test_colors_come_back_as_colors(tmp_path: Path) -> None:
    known = MaskClasses(("black", "brown"), ((0,), (COLOR + 0x804000,)))
    made = mask(ImageForm(5, 5, 3), 5, 5, known, "deep/er/x.png")
    MaskFolder(tmp_path / "out", ["deep/er/x.png"]).write([made, None])
    found = read_mask(bytes(tmp_path / "out" / "deep" / "er" / "x.png"))
    np.testing.assert_array_equal(found, made.values())
    assert set(np.unique(found)) == {0, COLOR + 0x804000}


def test_an_existing_mask_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_text("mine")
    with pytest.raises(UsageError, match=r"b\.png exists already") as raised:
        MaskFolder(tmp_path, ["a.png", "b.png"])
    assert "--masks" in raised.value.hint
    MaskFolder(tmp_path, ["a.png"])


def test_a_folder_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place, said in (("file", "is not a folder"), ("no/masks", "there is no folder")):
        with pytest.raises(UsageError, match=said):
            check_mask_folder(tmp_path / place)
    check_mask_folder(tmp_path)
    check_mask_folder(tmp_path / "new")


def test_a_full_disk_is_one_message_and_leaves_no_partial_mask(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").touch()  # in the way of the folder a
    with pytest.raises(RunError, match=r"cannot write .*a/x\.png"):
        MaskFolder(tmp_path / "out", ["a/x.png"]).write([mask(ImageForm(2, 2, 1), 2, 2, file="a/x.png")])
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "a"]


def test_an_image_without_a_finite_output_has_neither_mask_nor_shares(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(png(blocks(8, 8)))
    raw = ImageInput(ImageForm(2, 2, 3), masks=MaskInput(GRAY))
    outputs = np.zeros((2, 2, 2, 3), np.float32)
    outputs[0, ..., 1], outputs[1, 1, 1, 2] = 1, np.nan
    features = Features("image", (2, 2, 3))
    interface = Interface("x", raw, ArrayPreprocess((2, 2, 3)), features, GRAY.target)
    stub: Any = lambda _: outputs  # noqa: E731
    examples = Examples(["a", "b"], np.zeros((2, 2, 2, 3)), origin=[bytes(tmp_path / "x.png")] * 2)
    masks, shares = MaskPredictor(stub, interface)(examples)
    assert masks[0] is not None
    assert masks[1] is None
    assert (masks[0].values() == 7).all()
    np.testing.assert_array_equal(shares, [[0, 1, 0], [np.nan] * 3])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    from dlrun.experiment.train import train

    home = write_shapes(tmp_path_factory.mktemp("home"))
    (home / "x.yaml").write_text(shapes_config(home))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLRUN_STATE", str(home / "state"))
        yield train(home / "x.yaml", runs_dir=home / "runs").folder


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder with images of other sizes than the model was trained on, one of them turned by its EXIF data."""
    (tmp_path / "odd" / "sub").mkdir(parents=True)
    (tmp_path / "odd" / "a.png").write_bytes(png(blocks(40, 24)))
    (tmp_path / "odd" / "sub" / "b.jpg").write_bytes(jpeg(blocks(16, 32, seed=1), orientation=6))
    return tmp_path / "odd"


def shown(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open()))


@pytest.mark.tensorflow
def test_predict_writes_the_shares_of_classes_and_masks_in_the_size_of_each_image(
    run: RunFolder, odd: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    app(["predict", str(run.path), str(odd), "-o", str(tmp_path / "p.csv"), "--masks", str(tmp_path / "out")],
        standalone_mode=False)  # fmt: skip
    assert "predicted  2 examples in" in capfd.readouterr().err
    rows = shown(tmp_path / "p.csv")
    assert list(rows[0]) == ["name", "share_ground", "share_box"]
    assert [row["name"] for row in rows] == ["a.png", "sub/b.jpg"]
    written = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png"))
    assert written == ["a.png", "sub/b.png"]
    for name, size, row in zip(written, ((40, 24), (32, 16)), rows, strict=True):
        found = read_mask(bytes(tmp_path / "out" / name))
        assert found.shape == size
        assert {*np.unique(found)} <= {0, 7}
        assert float(row["share_box"]) == pytest.approx((found == 7).mean(), abs=1e-6)
        assert float(row["share_ground"]) == pytest.approx((found == 0).mean(), abs=1e-6)


@pytest.mark.tensorflow
def test_a_trained_model_predicts_masks_like_those_of_the_training_data(run: RunFolder) -> None:
    home = run.path.parents[1]
    (block,) = predict(run.path, home / "images", masks=True).blocks
    truth = [read_mask(bytes(path)) for path in sorted((home / "masks").iterdir())]
    equal = np.mean([one.values() == other for one, other in zip(block.masks, truth, strict=True) if one is not None])
    assert equal > 0.9


@pytest.mark.tensorflow
def test_one_file_a_pattern_a_list_and_standard_input_give_the_same_masks(
    run: RunFolder, odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(odd)
    Path("list.csv").write_text("path,id\na.png,1\nsub/b.jpg,2\n")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(Path("a.png").read_bytes())))
    cases = {
        ("a.png",): ["a.png"],
        ("*.png",): ["a.png"],
        ("a.png", "sub/b.jpg"): ["a.png", "sub/b.png"],
        ("list.csv", "--keep", "id", "--json"): ["a.png", "sub/b.png"],
        ("-",): ["standard input.png"],
    }
    contents: dict[str, set[bytes]] = {}
    for number, (given, names) in enumerate(cases.items()):
        out = tmp_path / f"masks {number}"
        app(["predict", str(run.path), *given, "--masks", str(out), "-q"], standalone_mode=False)
        printed = capfd.readouterr().out
        if "--json" in given:
            assert [json.loads(line)["id"] for line in printed.splitlines()] == ["1", "2"]
        made = sorted(path for path in out.rglob("*") if path.is_file())
        assert [str(path.relative_to(out)) for path in made] == names
        for path in made:
            contents.setdefault(path.name.replace("standard input", "a"), set()).add(path.read_bytes())
    assert {name: len(each) for name, each in contents.items()} == {"a.png": 1, "b.png": 1}


@pytest.mark.tensorflow
def test_problems_are_reported_before_anything_is_written(run: RunFolder, odd: Path, tmp_path: Path) -> None:
    (odd / "a.jpg").write_bytes(jpeg(blocks(16, 16)))
    with pytest.raises(DataError, match="would have the same mask"):
        predict(run.path, odd, masks=True)
    assert len(list(predict(run.path, odd).blocks)) == 1  # without masks
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="a data frame, which has no place for masks"):
        predict(run.path, pa.table({"path": ["a.png"]}), masks=True)
    with pytest.raises(UsageError, match="--top 2: the model predicts masks"):
        predict(run.path, odd, top=2)
    with pytest.raises(UsageError, match="predicts masks") as raised:
        predict(run.path, odd, intervals=0.9)
    assert "numbers" in raised.value.expected
    with pytest.raises(UsageError, match="predicts masks") as raised:
        dlrun.ensemble([run.path, shutil.copytree(run.path, tmp_path / "20200101-000000-copy-abcd")])
    assert "classes, labels or values" in raised.value.expected


@pytest.mark.tensorflow
def test_a_run_without_masks_has_none_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlrun.experiment.train import train

    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    (tmp_path / "x.yaml").write_text(
        "dataset: {type: builtin, name: wine}\nmodel: linear\nloss: sparse_categorical_crossentropy\n"
        "training: {epochs: 1, tensorboard: false, report: false}\n"
    )
    made = train(tmp_path / "x.yaml", runs_dir=tmp_path / "runs").folder
    with pytest.raises(UsageError, match="does not predict masks") as raised:
        predict(made.path, tmp_path / "x.csv", masks=True)
    assert "unet" in raised.value.expected
