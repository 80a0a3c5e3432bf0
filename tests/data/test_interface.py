"""The two ends of a model as JSON, which may come from elsewhere: impossible sizes are refused before they are used."""

import json
from typing import Any

import pytest

from dlrun.data.array_input import ArrayInput
from dlrun.data.image_files.form import ImageForm
from dlrun.data.images.input import ImageInput
from dlrun.data.interface import Interface, Raw, parse_interface
from dlrun.data.preprocess import ArrayPreprocess
from dlrun.data.text.input import TextInput
from dlrun.data.text.preprocess import TokenPreprocess
from dlrun.data.text.rows import TextReading
from dlrun.errors import RunError
from dlrun.signature import Features, Target

TARGET = Target("classes", 2, ("a", "b"))
TEXT = TextInput(TextReading(), "words", "lower", ("a", "b"), 5)
IMAGE = ImageInput(ImageForm(8, 9, 3))
ARRAY = ArrayInput((4,))


def plain(raw: Raw) -> dict[str, Any]:
    shapes = {"text": (5,), "image": (8, 9, 3), "array": (4,)}
    preprocess: Any = ArrayPreprocess(shapes[raw.type])
    if raw.type == "text":
        preprocess = TokenPreprocess((5,), 4)
    return Interface("x", raw, preprocess, Features("vector", (4,)), TARGET).plain()


@pytest.mark.parametrize("raw", [TEXT, IMAGE, ARRAY], ids=lambda raw: raw.type)
def test_a_written_interface_is_read_back(raw: Raw) -> None:
    assert parse_interface(json.dumps(plain(raw)).encode(), origin="x").raw == raw


@pytest.mark.parametrize(
    ("raw", "place", "size", "said"),
    [
        (TEXT, ("sequence_length",), 10**12, "raw.sequence_length is 1000000000000"),
        (TEXT, ("sequence_length",), 10**9, r"shape \[1000000000\], but preprocess.raw_shape is \[5\]"),
        (TEXT, ("sequence_length",), -1, "raw.sequence_length is -1"),
        (IMAGE, ("form", "width"), 10**4000, "raw.form.width"),
        (IMAGE, ("form", "height"), 10**6, r"shape \[1000000, 9, 3\]"),
        (ARRAY, ("shape",), [1 << 40], "raw.shape.0 is 1099511627776"),
    ],
)
def test_impossible_sizes_are_refused(raw: Raw, place: tuple[str, ...], size: Any, said: str) -> None:
    content = plain(raw)
    part = content["raw"]
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = size
    text = json.dumps(content)
    with pytest.raises(RunError, match=said):
        parse_interface(text.encode(), origin="x")


def test_fewer_images_are_read_at_a_time_if_their_masks_have_many_classes() -> None:
    raw = ImageInput(ImageForm(256, 256, 3))
    features, preprocess = Features("image", (256, 256, 3)), ArrayPreprocess((256, 256, 3))
    few, many = (Interface("x", raw, preprocess, features, Target("mask", size)).rows_at_once for size in (2, 250))
    assert (few, many) == (2**26 // (4 * 256 * 256 * 3), 1)
