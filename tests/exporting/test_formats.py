"""Every format gives the same as Keras for unusual strings, missing values and images of any size."""

from pathlib import Path

import pytest

from dlrun.exporting.formats import FORMATS, Limit, find_format
from exported_models import Examples, Make, exported, needs

pytestmark = pytest.mark.tensorflow


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize("to", ["onnx", "tflite"])
@pytest.mark.parametrize("kind", ["words", "rows"])
def test_strings_get_the_same_ids_as_in_keras(
    kind: str, to: str, plain_model: Make, raw_examples: Examples, tmp_path: Path
) -> None:
    needs(to)
    examples = raw_examples(kind, steps=2)
    _, measured = exported(plain_model(kind, steps=2), examples, tmp_path / f"model{FORMATS[to].suffix}", to)
    assert measured.largest_difference < 1e-5
    assert measured.examples == len(examples)
    assert measured.together == (to == "onnx")


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize("to", ["onnx", "tflite"])
def test_an_export_takes_images_of_any_size(to: str, plain_model: Make, raw_examples: Examples, tmp_path: Path) -> None:
    needs(to)
    path = tmp_path / f"model{FORMATS[to].suffix}"
    _, measured = exported(plain_model("images"), raw_examples("images"), path, to)
    assert measured.largest_difference < 1e-4


def test_a_quantization_that_the_format_does_not_support_is_a_usage_error() -> None:
    from dlrun.errors import UsageError

    with pytest.raises(UsageError, match="TensorFlow Lite") as caught:
        find_format("keras", "int8")
    assert caught.value.hint == "--to tflite --quantize int8"


def test_one_uncertain_pixel_does_not_refuse_the_export_of_a_model_of_masks() -> None:
    for quantize, rounds in ((None, True), ("float16", False), ("int8", False)):
        limit = Limit.of(quantize, decides=False, rounds_pixels=rounds, of_masks=True)  # type: ignore[arg-type]
        assert limit.equal_decisions is not None
        assert not limit.is_mean
    # Without another library that resizes, there is no reason for any difference.
    assert Limit.of(None, decides=False, of_masks=True).equal_decisions is None
