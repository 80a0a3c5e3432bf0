"""Calibration is inside an exported model in every format, and the thresholds are in its description."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dlrun.decision import CalibrationCurve, Decision
from dlrun.exporting.description import describe
from dlrun.exporting.snippet import example_code
from exported_models import Examples, Make, exported, needs

pytestmark = pytest.mark.tensorflow

CURVE = CalibrationCurve((-3.0, -0.5, 1.0, 2.0), (0.02, 0.3, 0.4, 0.97))
DECISIONS = {2: Decision((0.37,), (), (CURVE,)), 3: Decision((), (1.7,))}
SUFFIXES = {"keras": ".keras", "savedmodel": "", "onnx": ".onnx", "tflite": ".tflite"}
QUICK = (("onnx", 2), ("tflite", 3))


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize(
    ("to", "classes"),
    [
        pytest.param(to, classes, marks=() if (to, classes) in QUICK else pytest.mark.soak)
        for to in SUFFIXES
        for classes in DECISIONS
    ],
)
def test_the_exported_model_gives_calibrated_probabilities(
    plain_model: Make, raw_examples: Examples, tmp_path: Path, to: str, classes: int
) -> None:
    needs(to)
    model, examples = plain_model("images", classes=classes), raw_examples("images")
    decided = replace(model, target=model.target.decided_by(DECISIONS[classes]))
    given = {"image": examples[0]["image"]}
    plain, calibrated = (each.whole()(given)["probabilities"] for each in (model, decided))
    assert np.abs(np.asarray(plain) - np.asarray(calibrated)).max() > 1e-3  # ten times the tolerance
    written, measured = exported(decided, examples, tmp_path / f"model{SUFFIXES[to]}", to)
    assert measured.passed, measured.relative_difference
    assert written.description.thresholds == DECISIONS[classes].thresholds
    assert written.description.calibration == DECISIONS[classes].calibration
    if to in ("keras", "tflite"):
        with zipfile.ZipFile(tmp_path / f"model{SUFFIXES[to]}") as archive:
            found = json.loads(archive.read("description.json"))
        assert found.get("thresholds", []) == list(DECISIONS[classes].thresholds)


@pytest.mark.parametrize(("probability", "label"), [(0.3, "class 0"), (0.4, "class 1")])
def test_the_printed_code_predicts_by_the_threshold(plain_model: Make, probability: float, label: str) -> None:
    model = plain_model("images", classes=2)
    decided = replace(model, target=model.target.decided_by(DECISIONS[2]))
    description = describe(decided, decided.whole(), run="a run")
    lines = example_code("onnx", description, {"image": np.zeros((1, 4, 4, 3), np.uint8)}).splitlines()
    printed: list[object] = []
    names = {
        "outputs": {"probabilities": np.array([[1 - probability, probability]], np.float32)},
        "labels": list(description.labels),
        "description": description.plain(),
        "print": lambda *parts: printed.append(parts[0]),
    }
    exec("\n".join(lines[lines.index("outputs = predict(inputs)") + 1 :]), names)
    assert printed == [label]
