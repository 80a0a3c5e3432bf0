"""The inputs of an exported table are traced to its columns, whatever their names."""

import csv
import json
import random
import runpy
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.cli.export import exported_lines
from dlrun.exporting.export import export
from dlrun.exporting.formats import FORMATS
from dlrun.prediction.predict import predict

pytestmark = pytest.mark.tensorflow

NAMES = ["a b", "a_b", "a-b", "ü", "ö", "column", "1st", "A_b"]
NAMES += ["class", "from", "self", "None", "print", "core", "mean", "where", "probabilities", "日本"]
CONFIG = """\
name: odd
dataset: {type: table, path: PATH, target: y, categorical: ["a-b", "ö", "class"]}
model: {type: mlp, units: [6]}
loss: sparse_categorical_crossentropy
training: {batch_size: 32, epochs: 1, jit: off, tensorboard: false, report: false}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run on a table whose columns have unusual names."""
    from dlrun.experiment.train import train

    folder, choose = tmp_path_factory.mktemp("odd"), random.Random(0)
    with (folder / "odd.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow([*NAMES, "y"])
        for index in range(90):
            numbers = [f"{choose.gauss(0, 10 ** (place % 4)):.3f}" for place in range(len(NAMES))]
            numbers[2], numbers[4] = choose.choice(["red", "blue"]), choose.choice(["7", "8", "9"])
            numbers[NAMES.index("class")] = choose.choice(["first", "second"])
            out.writerow([*numbers, "abc"[index % 3]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLRUN_STATE", str(folder / "state"))
        (folder / "odd.yaml").write_text(CONFIG.replace("PATH", str(folder / "odd.csv")))
        train(folder / "odd.yaml", runs_dir=folder / "runs")
    return folder


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize("to", ["keras", "onnx", "savedmodel", "tflite"])
def test_an_export_fed_by_its_description_predicts_the_same_as_dlrun(
    to: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLRUN_STATE", str(home / "state"))
    made = export("last", to, output=tmp_path / f"odd{FORMATS[to].suffix}", runs_dir=home / "runs")
    inputs = made.description.plain()["inputs"]
    if to == "keras":
        assert json.loads(zipfile.ZipFile(made.path).read("description.json"))["inputs"] == inputs
    assert any("a_b_2 is 'a b'" in line or "is 'a-b'" in line for line in exported_lines(made))
    column_of: dict[str, str] = {each["name"]: each.get("column", each["name"]) for each in inputs}
    assert sorted(column_of.values()) == sorted(NAMES)
    assert column_of["a_b"] == "a_b"
    assert column_of["column"] == "column"
    (tmp_path / "code.py").write_text(made.code)
    namespace: dict[str, Any] = runpy.run_path(str(tmp_path / "code.py"))
    rows = list(csv.DictReader((home / "odd.csv").open(newline="")))[:5]
    for each in inputs:  # the row that the printed lines show has the values of the right columns
        values = {row[column_of[each["name"]]] for row in csv.DictReader((home / "odd.csv").open(newline=""))}
        shown = namespace["inputs"][each["name"]].reshape(-1)[0]
        assert any(
            str(shown) == value or (each["dtype"] == "float32" and np.float32(value) == shown) for value in values
        )
    _, labels, probabilities = next(predict("last", home / "odd.csv", runs_dir=home / "runs").blocks).cells
    for index, row in enumerate(rows):
        given = {
            each["name"]: np.array(
                [[row[column_of[each["name"]]]]], object if each["dtype"] == "string" else each["dtype"]
            )
            for each in inputs
        }
        found = namespace["predict"](given)["probabilities"][0]
        assert namespace["labels"][found.argmax()] == labels[index]
        assert found.max() == pytest.approx(probabilities[index], rel=1e-4)


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize("quantize", [None, "float16", "int8"])
def test_numbers_are_one_input_until_after_the_conversion_to_tensorflow_lite(
    quantize: str | None, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlrun.exporting.saved_model import write_endpoints
    from dlrun.exporting.tflite import model as tflite

    written: list[Any] = []

    def noted(parts: Any, folder: Path, endpoints: Mapping[str, Any]) -> None:
        written.append(endpoints["serve"].input_signature[0])
        write_endpoints(parts, folder, endpoints)

    monkeypatch.setenv("DLRUN_STATE", str(home / "state"))
    monkeypatch.setattr(tflite, "write_endpoints", noted)
    output = tmp_path / "odd.tflite"
    made = export("last", "tflite", output=output, quantize=quantize, runs_dir=home / "runs")
    strings = [each.name for each in made.description.inputs if each.dtype != "float32"]
    assert len(written[0]) == len(strings) + 1 < len(made.description.inputs)
    namespace: dict[str, Any] = runpy.run_path(str(_file(tmp_path, made.code)))
    signature = namespace["interpreter"].get_signature_list()["serving_default"]
    assert sorted(signature["inputs"]) == sorted(each.name for each in made.description.inputs)
    assert made.measured.passed


def test_onnx_takes_columns_in_the_order_of_the_table(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    monkeypatch.setenv("DLRUN_STATE", str(home / "state"))
    made = export("last", "onnx", output=tmp_path / "odd.onnx", runs_dir=home / "runs")
    graph = onnx.load(str(made.path)).graph
    assert [value.name for value in graph.input] == [each.name for each in made.description.inputs]
    assert {len(value.type.tensor_type.shape.dim) for value in graph.input} == {2}


def _file(folder: Path, code: str) -> Path:
    file = folder / "code.py"
    file.write_text(code)
    return file
