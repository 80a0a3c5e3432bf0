"""Texts become ids in ONNX as in Keras."""

from pathlib import Path

import pytest

from exported_models import Examples, Make, exported, needs

pytestmark = pytest.mark.tensorflow


@pytest.mark.usefixtures("children_here")
def test_characters_are_recognized_by_regular_expressions(
    plain_model: Make, raw_examples: Examples, tmp_path: Path
) -> None:
    needs("onnx")
    _, measured = exported(plain_model("characters"), raw_examples("characters"), tmp_path / "model.onnx", "onnx")
    assert measured.largest_difference < 1e-5
