"""The printed code is valid Python."""

from typing import Any

import numpy as np
import pytest

from dlrun.exporting.description import Input, ModelDescription
from dlrun.exporting.snippet import example_code

pytestmark = pytest.mark.tensorflow


def test_a_missing_number_is_printed_as_valid_python() -> None:
    numbers, texts = Input("a", "float32", (1, 1), "a"), Input("d", "uint8", (1, None), "d")
    description = ModelDescription("run", "classes", (numbers, texts), {"probabilities": (1, 2)}, ("no", "yes"))
    example: dict[str, Any] = {"a": np.array([[np.nan]], np.float32), "d": np.frombuffer(b"2023-01-01", np.uint8)[None]}
    found: dict[str, Any] = {"np": np, "labels": ["no", "yes"], "predict": lambda _: {"probabilities": np.eye(2)}}
    exec(example_code("tflite", description, example), found)
    assert np.isnan(found["inputs"]["a"]).all()
    assert bytes(found["inputs"]["d"][0]) == b"2023-01-01"
