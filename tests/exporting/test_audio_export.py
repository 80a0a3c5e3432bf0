"""A model of sound takes waveforms in every format, and the printed code reads a sound file as `dlrun predict` does."""

import runpy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("soundfile")

from dlrun.exporting.export import export
from dlrun.exporting.formats import FORMATS
from dlrun.prediction import predict as predicting
from sounds import tone, write_sound, write_tones

pytestmark = pytest.mark.tensorflow

CONFIG = """\
name: tones
dataset: {{type: audio, path: {path}, seconds: 0.08, crop: {crop}, mel_bins: 16, window: 0.02}}
model: {{type: gru, units: [4]}}
loss: sparse_categorical_crossentropy
training: {{batch_size: 4, epochs: 2, jit: off, tensorboard: false, report: false}}
"""


@pytest.fixture(scope="module", params=["center", pytest.param("start", marks=pytest.mark.soak)])
def runs_dir(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with one run, on recordings of which some are cut and some are padded."""
    from dlrun.experiment.train import train

    folder = tmp_path_factory.mktemp("home")
    write_tones(folder / "tones", count=8)
    (folder / "x.yaml").write_text(CONFIG.format(path=folder / "tones", crop=request.param))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLRUN_STATE", str(folder / "state"))
        patch.setenv("DLRUN_CACHE", str(folder / "cache"))
        train(folder / "x.yaml", runs_dir=folder / "runs")
        yield folder / "runs"


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize(
    "to", ["onnx", *(pytest.param(to, marks=pytest.mark.soak) for to in ("tflite", "keras", "savedmodel"))]
)
def test_an_exported_model_takes_waveforms_of_any_length_and_the_printed_code_a_sound_file(
    to: str, runs_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in FORMATS[to].packages:
        pytest.importorskip(package)
    made = export("last", to, output=tmp_path / f"m{FORMATS[to].suffix}", runs_dir=runs_dir)
    assert made.measured.largest_difference < 1e-5
    (tmp_path / "code.py").write_text(made.code)
    monkeypatch.chdir(tmp_path)
    for seconds in (0.05, 0.2):
        both = np.stack([tone(700, seconds), tone(300, seconds)], axis=1)
        write_sound(Path("sound.wav"), both, subtype="FLOAT")
        (block,) = predicting.predict("last", "sound.wav", top="all", runs_dir=runs_dir).blocks
        expected = [float(cells[0]) for cells in block.cells[-2:]]
        found = runpy.run_path("code.py")["outputs"]["probabilities"][0].tolist()
        assert found == pytest.approx(expected, abs=1e-4)
    write_sound(Path("sound.wav"), tone(700, 0.1, 16_000), 16_000)
    with pytest.raises(AssertionError, match="resample it first"):
        runpy.run_path("code.py")
