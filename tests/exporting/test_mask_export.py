"""A model of masks in every format: it takes images of any size, and the printed code writes a mask as predict does."""

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.data.image_files.form import ImageForm
from dlrun.data.images.input import ImageInput, MaskInput
from dlrun.data.interface import Interface
from dlrun.data.masks.classes import MaskClasses
from dlrun.data.masks.pixels import COLOR, read_mask
from dlrun.data.preprocess import ArrayPreprocess
from dlrun.exporting.description import Input, ModelDescription
from dlrun.exporting.examples import MOST, most_examples
from dlrun.exporting.export import export
from dlrun.exporting.formats import FORMATS
from dlrun.exporting.snippet import example_code
from dlrun.prediction.predict import predict
from dlrun.signature import Features
from exported_models import needs
from pictures import blocks, png
from shapes import shapes_config, write_shapes


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    from dlrun.experiment.train import train

    folder = write_shapes(tmp_path_factory.mktemp("home"))
    (folder / "x.yaml").write_text(shapes_config(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLRUN_STATE", str(folder / "state"))
        train(folder / "x.yaml", runs_dir=folder / "runs")
        yield folder


@pytest.mark.tensorflow
@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize(
    "to", ["onnx", *(pytest.param(to, marks=pytest.mark.soak) for to in ("keras", "savedmodel", "tflite"))]
)
def test_an_exported_model_takes_images_of_any_size_and_its_code_writes_the_mask_of_predict(
    to: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs(to)
    (tmp_path / "images").mkdir()
    for number, (height, width) in enumerate(((13, 10), (40, 24), (16, 56), (104, 80))):
        (tmp_path / "images" / f"{number}.png").write_bytes(png(blocks(height // 8 * 8, width // 8 * 8, seed=number)))
    made = export("last", to, output=tmp_path / f"m{FORMATS[to].suffix}", data=tmp_path / "images",
                  runs_dir=home / "runs")  # fmt: skip
    assert made.measured.passed
    assert made.description.outputs == {"probabilities": (1 if to == "tflite" else None, 13, 10, 2)}
    assert made.description.plain()["mask_values"] == [0, 7]
    assert made.description.labels == ("ground", "box")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "snippet.py").write_text(made.code)
    image = tmp_path / "image.jpg"  # Pillow and TensorFlow look at the content
    image.write_bytes((tmp_path / "images" / "1.png").read_bytes())
    runpy.run_path("snippet.py")
    (block,) = predict("last", image, masks=True, runs_dir=home / "runs").blocks
    (expected,) = block.masks
    assert expected is not None
    found = read_mask(b"mask.png")
    assert found.shape == (40, 24)
    assert {0, 7} == {*np.unique(found)}
    assert (found == expected.values()).mean() > 0.98


def described(fit: str, *values: int | tuple[int, int, int]) -> ModelDescription:
    image = Input("image", "uint8", (None, None, None, 3), "image")
    outputs: dict[str, tuple[int | None, ...]] = {"probabilities": (None, 4, 4, 2)}
    return ModelDescription("a run", "mask", (image,), outputs, ("a", "b"), mask_values=values, fit=fit)


def test_the_code_says_what_a_mask_of_a_cropped_image_shows() -> None:
    example: dict[str, Any] = {"image": np.zeros((1, 4, 4, 3), np.uint8)}
    for fit in ("crop", "pad"):
        code = example_code("onnx", described(fit, 0, 1), example)
        assert f"fit: {fit}" in code
        assert "resize" not in code
    assert '"uint16"' in example_code("keras", described("resize", 0, 300), example)
    assert '"uint8"' in example_code("keras", described("resize", (0, 0, 0), (128, 64, 0)), example)


def test_fewer_examples_are_checked_if_their_masks_are_large() -> None:
    counts = []
    for side in (16, 512):
        raw = ImageInput(ImageForm(side, side, 3), masks=MaskInput(MaskClasses(("a", "b"), ((0,), (COLOR + 5,)))))
        shape = (side, side, 3)
        target = raw.masks.classes.target if raw.masks is not None else None
        assert target is not None
        counts.append(most_examples(Interface("x", raw, ArrayPreprocess(shape), Features("image", shape), target)))
    assert counts == [MOST, 21]
