"""The printed code reads image files as `dlrun predict` does, or says what it does not."""

import runpy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dlrun.exporting.export import export
from dlrun.exporting.formats import FORMATS
from dlrun.prediction import predict as predicting
from pictures import blocks, jpeg, png, saved, write_classes

pytestmark = pytest.mark.tensorflow

CONFIG = """\
name: pictures
dataset: {{type: images, path: {path}, channels: {channels}}}
model: {{type: linear}}
loss: sparse_categorical_crossentropy
optimizer: {{type: adam, learning_rate: 0.003}}
training: {{batch_size: 4, epochs: 3, jit: off, tensorboard: false, report: false}}
"""


@pytest.fixture(scope="module", params=[1, 3])
def runs_dir(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with one run on grey or colour images."""
    from dlrun.experiment.train import train

    folder = tmp_path_factory.mktemp("home")
    write_classes(folder / "images")
    (folder / "x.yaml").write_text(CONFIG.format(path=folder / "images", channels=request.param))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLRUN_STATE", str(folder / "state"))
        train(folder / "x.yaml", runs_dir=folder / "runs")
        yield folder / "runs"


def of_dlrun(runs_dir: Path, file: Path) -> list[float]:
    (block,) = predicting.predict("last", file, top="all", runs_dir=runs_dir).blocks
    return [float(cells[0]) for cells in block.cells[-2:]]


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize("to", ["onnx", *(pytest.param(to, marks=pytest.mark.soak) for to in ("tflite", "keras"))])
def test_the_printed_code_reads_rotated_jpegs_and_16_bit_images_as_dlrun_does(
    to: str, runs_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in (*FORMATS[to].packages, *(("PIL",) if to == "onnx" else ())):
        pytest.importorskip(package)
    made = export("last", to, output=tmp_path / f"m{FORMATS[to].suffix}", runs_dir=runs_dir)
    (tmp_path / "code.py").write_text(made.code)
    assert all(len(line) <= 120 for line in made.code.splitlines() if str(tmp_path) not in line)
    monkeypatch.chdir(tmp_path)
    pixels = blocks(16, 16, seed=7)
    sixteen = pixels[..., :1].astype(np.uint16) * 256 + 77
    contents = {"upright": jpeg(pixels), "turned": jpeg(pixels, orientation=6), "16 bits": png(sixteen)}
    if to == "onnx":  # whose lines use Pillow
        contents |= {"webp": saved(pixels, "WEBP"), "tiff": saved(sixteen, "TIFF")}
    expected, found = {}, {}
    for name, content in contents.items():
        Path("image.jpg").write_bytes(content)
        expected[name] = of_dlrun(runs_dir, Path("image.jpg"))
        found[name] = runpy.run_path("code.py")["outputs"]["probabilities"][0].tolist()
    assert np.abs(np.subtract(expected["upright"], expected["turned"])).max() > 0.05
    assert found["upright"] == pytest.approx(expected["upright"], abs=0.02)
    assert found["16 bits"] == pytest.approx(expected["16 bits"], abs=1e-4)
    if to == "onnx":
        assert found["webp"] == pytest.approx(expected["webp"], abs=0.01)
        assert found["tiff"] == pytest.approx(expected["tiff"], abs=1e-4)
        assert found["turned"] == pytest.approx(expected["turned"], abs=0.02)
    else:
        assert found["turned"] == found["upright"]
        assert "EXIF" in made.code
