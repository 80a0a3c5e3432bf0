"""Each model describes its inputs and outputs."""

import json
import zipfile
from pathlib import Path

import pytest

from exported_models import Make

pytestmark = pytest.mark.tensorflow


def test_every_format_contains_labels_and_inputs(plain_model: Make, tmp_path: Path) -> None:
    from dlrun.exporting.description import append_description, describe
    from dlrun.exporting.writing import _of_one

    model = plain_model("rows")
    description = _of_one(describe(model, model.whole(), run="a run"), ("remark",))
    (tmp_path / "model.tflite").write_bytes(b"a flatbuffer")
    append_description(description, tmp_path / "model.tflite")
    assert (tmp_path / "model.tflite").read_bytes().startswith(b"a flatbuffer")
    with zipfile.ZipFile(tmp_path / "model.tflite") as archive:
        assert archive.read("labels.txt").decode().splitlines() == ["class 0", "class 1", "class 2"]
        found = json.loads(archive.read("description.json"))
    inputs = {each["name"]: each for each in found["inputs"]}
    assert inputs["native_country"] == {
        "name": "native_country", "dtype": "string", "shape": [1, 1], "column": "native country",
        "missing": "an empty string",
    }  # fmt: skip
    assert inputs["age"]["missing"] == "NaN"
    assert inputs["remark"]["dtype"] == "uint8"
    assert found["outputs"] == [{"name": "probabilities", "shape": [1, 3]}]
