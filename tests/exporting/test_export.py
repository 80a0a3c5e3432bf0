"""Runs are exported to each format, checked, and written completely; the printed code runs without dlrun."""

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import RunError, UsageError
from dlrun.exporting import export as module
from dlrun.exporting.export import ExportedModel, export, rounding, slow_inputs
from dlrun.exporting.formats import FORMATS
from dlrun.exporting.place import Destination
from dlrun.prediction.predict import predict
from dlrun.signature import Target
from dlrun.training.progress.events import Event, Note

pytestmark = pytest.mark.tensorflow


CONFIG = """\
name: small
dataset: {type: builtin, name: wine, validation: 0.2}
model: {type: mlp, units: [6], dropout: 0.2}
loss: sparse_categorical_crossentropy
training: {batch_size: 32, epochs: 2, jit: off, precision: bfloat16, tensorboard: false, report: false}
"""


@pytest.fixture(autouse=True)
def _own_state(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLRUN_STATE", str(home / "state"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs and examples.npy."""
    from dlrun.experiment.train import train

    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLRUN_STATE", str(folder / "state"))
        (folder / "small.yaml").write_text(CONFIG)
        train(folder / "small.yaml", runs_dir=folder / "runs")
    rows = np.random.default_rng(0).normal(5, 3, (4, 13)).astype(np.float32)
    np.save(folder / "examples.npy", rows)
    return folder


def exported(
    home: Path, folder: Path, to: str, *, quantize: str | None = None, data: str | None = None
) -> ExportedModel:
    output = folder / f"small{FORMATS[to].suffix}"
    return export("last", to, quantize=quantize, output=output, data=data, runs_dir=home / "runs")


def predicted(home: Path) -> tuple[list[str], list[float]]:
    """Return the output of dlrun predict for examples.npy: labels and their probabilities."""
    blocks = predict("last", home / "examples.npy", runs_dir=home / "runs").blocks
    _, labels, probabilities = next(blocks).cells
    return [str(label) for label in labels], [float(each) for each in probabilities]


def check_code(made: ExportedModel, home: Path, namespace: dict[str, Any]) -> None:
    """Return the predictions of the printed code for the first example, and of its `predict` for the others."""
    labels, probabilities = predicted(home)
    rows = np.load(home / "examples.npy")
    takes = len(rows) if made.format.takes_batches else 1
    found = np.concatenate([namespace["predict"]({"features": rows[i : i + takes]})["probabilities"]
                            for i in range(0, len(rows), takes)])  # fmt: skip
    assert [namespace["labels"][index] for index in found.argmax(axis=1)] == labels
    np.testing.assert_allclose(found.max(axis=1), probabilities, rtol=1e-5)


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize("to", ["keras", "onnx", "tflite"])
def test_the_printed_code_predicts_the_same_as_dlrun(
    to: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in FORMATS[to].packages:
        pytest.importorskip(package, reason=f"an export to {to} needs it: pip install 'dlrun[{to}]'")
    made = exported(home, tmp_path, to)
    assert made.measured.passed
    assert made.measured.examples == 36
    assert made.sample.origin == "the test split of wine"
    assert made.bytes > 1000
    assert sorted(path.name for path in tmp_path.iterdir()) == [made.path.name]
    assert json.loads(json.dumps(made.plain()))["labels"] == list(made.description.labels)
    (tmp_path / "code.py").write_text(made.code)
    monkeypatch.chdir(home)
    check_code(made, home, runpy.run_path(str(tmp_path / "code.py")))


def test_an_exported_model_needs_no_dlrun(home: Path, tmp_path: Path) -> None:
    made = exported(home, tmp_path, "savedmodel", data=str(home / "examples.npy"))
    assert made.measured.examples == 4
    assert made.measured.together
    shutil.copy(home / "examples.npy", tmp_path)
    code = "import sys\nsys.modules['dlrun'] = None\n" + made.code
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    labels, probabilities = predicted(home)
    label, _, found = done.stdout.strip().rstrip("]").partition(" [")
    assert label == labels[0]
    assert max(map(float, found.split())) == pytest.approx(probabilities[0], abs=1e-6)


def test_an_export_with_other_predictions_is_not_written(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = module._expected
    monkeypatch.setattr(
        module, "_expected", lambda *args: {name: value + 1e-3 for name, value in honest(*args).items()}
    )
    monkeypatch.setattr("dlrun.exporting.checking.run_child", _run_here)
    with pytest.raises(RunError, match="the predictions of the exported model differ from dlrun's"):
        exported(home, tmp_path, "keras")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("children_here")
def test_data_paths_of_a_run_from_elsewhere_are_not_opened(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "another user"))
    notes: list[Event] = []
    made = export("last", "keras", output=tmp_path / "small.keras", runs_dir=home / "runs", listener=notes.append)
    assert made.sample.is_generated
    assert any(isinstance(note, Note) and "was made elsewhere" in note.text for note in notes)
    with pytest.raises(UsageError, match="real examples"):
        exported(home, tmp_path, "tflite", quantize="int8")


def test_an_existing_file_is_replaced_only_with_force_and_if_it_is_an_export(tmp_path: Path) -> None:
    (tmp_path / "a.keras").write_text("precious")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        Destination.of(tmp_path / "a.keras", FORMATS["keras"], replaces=False)
    for replaces in (True, False):  # a folder of images may have the run's name
        with pytest.raises(UsageError, match="not a savedmodel") as raised:
            Destination.of(tmp_path / "folder", FORMATS["savedmodel"], replaces=replaces)
        assert "--force" not in raised.value.hint
    with pytest.raises(UsageError, match="keras file"):
        Destination.of(tmp_path / "a.h5", FORMATS["keras"], replaces=False)
    place = Destination.of(tmp_path / "a.keras", FORMATS["keras"], replaces=True)
    with pytest.raises(KeyboardInterrupt), place.staged() as staged:  # noqa: PT012  what is left in the middle
        staged.write_text("half")
        raise KeyboardInterrupt
    assert (tmp_path / "a.keras").read_text() == "precious"
    with place.staged() as staged:
        staged.write_text("new")
    assert (tmp_path / "a.keras").read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 2


def test_the_error_for_missing_packages_has_the_command_to_install_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "tf2onnx" else object())
    with pytest.raises(UsageError) as caught:
        export("no run is looked for", "onnx", runs_dir=tmp_path)
    assert str(caught.value) == "an export to onnx needs tf2onnx: pip install 'dlrun[onnx]'"


def _run_here(arguments: list[str], *, folder: Path, what: str) -> None:
    from dlrun.exporting import harness

    assert arguments
    assert what
    harness.run(folder)


def test_values_that_float32_rounds_cause_a_warning() -> None:
    near = Target("values", 1, names=("price",), mean=(300_000.0,), scale=(90_000.0,))
    far = Target("values", 1, names=("time",), mean=(1.7e9,), scale=(3.0,))
    assert rounding(near) == rounding(Target("classes", 2)) == ""
    assert "time has steps of 128, and its standard deviation is 3" in rounding(far)


@pytest.mark.parametrize(
    ("to", "inputs", "is_slow"),
    [("keras", 5000, True), ("savedmodel", 5000, True), ("onnx", 5000, False), ("tflite", 5000, False),
     ("keras", 20, False)],
)  # fmt: skip
def test_only_formats_that_take_inputs_one_after_another_are_announced_as_slow(
    to: str, inputs: int, is_slow: bool
) -> None:
    assert bool(slow_inputs(FORMATS[to], inputs)) == is_slow
