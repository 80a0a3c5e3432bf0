"""Untrained models in parts, as a run has them, and child programs that run in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

WORDS = (
    "the",
    "movie",
    "was",
    "great",
    "its",
    "dont",
    "straße",
    "helloworld",
    "日本語",
    "new",
    "line",
    "i̇stanbul",
    "a",
)
CHARACTERS = tuple("abcdefghij klm\n]^é日")
TEXTS = (
    "Ärger über die Straße, ÉCOLE!",
    "the movie was GREAT -- it's great",
    "",
    "   ",
    "\t\n",
    "don't (stop) [now]",
    "日本語 テキスト the",
    "Hello,world hello\tworld\nnew line\x0bthe\x0cthe\rthe",
    "<br />a movie_was great...",
    "nbsp\u00a0the movie İstanbul Σίσυφος ΣΑΣ",
    "a" * 300,
    "great " * 40,
    "em—dash “quotes” …the great",
    "e\u0301cole the",
    "]^\\-the",
    "!!!",
    "moviemovie movi the",
)
CATEGORIES = ("b", "Müller", "日本", "two words", "-1")


@pytest.fixture
def children_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a child program in this process, because TensorFlow takes seconds to start."""
    from dlrun.exporting import checking, harness
    from dlrun.exporting.tflite import converter as tflite_converter
    from dlrun.exporting.tflite import model as tflite

    def convert(arguments: list[str], *, folder: Path, what: str, hint: str = "") -> None:
        assert arguments[-1] == str(folder)
        assert what.startswith("TensorFlow Lite"), hint
        (folder / "model.tflite").write_bytes(tflite_converter.convert(folder))

    def run(arguments: list[str], *, folder: Path, what: str) -> None:
        assert arguments[-1] == str(folder)
        assert what
        harness.run(folder)

    monkeypatch.setattr(tflite, "run_child", convert)
    monkeypatch.setattr(checking, "run_child", run)


@pytest.fixture
def plain_model() -> Callable[..., Any]:
    """Return a model of one of the kinds below."""
    return _plain_model


@pytest.fixture
def raw_examples() -> Callable[..., list[dict[str, Any]]]:
    """Return unusual examples for it."""
    return lambda kind, steps=1: list(_examples(kind, steps))


def _plain_model(kind: str, *, classes: int = 3, steps: int = 1) -> Any:
    import keras

    from dlrun.exporting.export_model import CORE, ExportModel
    from dlrun.signature import Target

    keras.utils.set_random_seed(1)
    build = {"words": _words, "characters": _characters, "rows": lambda: _rows(steps), "images": _images}
    raw = build[kind]()
    stored = keras.Input(raw.output_shape[1:], dtype=raw.outputs[0].dtype)
    if kind == "rows":  # the mean is no float16
        mean, variance = np.zeros(stored.shape[1]), np.ones(stored.shape[1])
        mean[0], variance[0] = 190_000.5, 100
        features = keras.layers.Normalization(mean=mean, variance=variance)(stored)
    else:
        features = keras.layers.Rescaling(1 / 255)(stored) if kind == "images" else keras.layers.Identity()(stored)
    preprocess = keras.Model(stored, features, name="preprocess")
    inputs = keras.Input(features.shape[1:], dtype=features.dtype)
    tensor = inputs
    if kind in ("words", "characters"):
        tensor = keras.layers.Embedding(32, 6, mask_zero=kind == "words")(tensor)
        tensor = keras.layers.LSTM(7)(tensor) if kind == "words" else keras.layers.Conv1D(7, 3)(tensor)
    tensor = keras.layers.Flatten()(tensor)
    core = keras.Model(inputs, keras.layers.Dense(classes)(tensor), name=CORE)
    for variable in core.trainable_variables:
        variable.assign(np.random.default_rng(len(variable.shape)).normal(size=variable.shape))
    names = tuple(f"class {number}" for number in range(classes))
    return ExportModel(raw, preprocess, core, Target("classes", classes, class_names=names))


def _words() -> Any:
    import keras

    text = keras.Input((1,), dtype="string", name="text")
    ids = keras.layers.TextVectorization(vocabulary=list(WORDS), output_sequence_length=9)(text)
    return keras.Model(text, keras.ops.cast(ids, "int32"), name="raw")


def _characters() -> Any:
    import keras

    text = keras.Input((1,), dtype="string", name="text")
    layer = keras.layers.TextVectorization(
        vocabulary=list(CHARACTERS), split="character", standardize="lower", output_sequence_length=12
    )
    return keras.Model(text, keras.ops.cast(layer(text), "int32"), name="raw")


def _rows(steps: int) -> Any:
    """A number that may be missing, categories, one of several steps, and text; TensorFlow does not allow one name."""
    import keras

    given = {
        "age": keras.Input((1,), name="age"),
        "native country": keras.Input((1,), dtype="string", name="native country"),
        "job": keras.Input((1,), dtype="string", name="job"),
        "wind": keras.Input((steps,), dtype="string", name="wind"),
        "remark": keras.Input((1,), dtype="string", name="remark"),
    }
    age = keras.ops.where(keras.ops.isnan(given["age"]), np.float32(190_001.5), given["age"])
    parts = [age]
    for name in ("native country", "job"):
        ids = keras.ops.cast(keras.layers.StringLookup(vocabulary=[*CATEGORIES, "", "?"])(given[name]), "float32")
        parts.append(keras.ops.where(ids > len(CATEGORIES), np.float32(0), ids))
    lookup = keras.layers.StringLookup(vocabulary=list(CATEGORIES))
    wind = keras.ops.cast(lookup(keras.ops.expand_dims(given["wind"], -1)), "float32")  # as series of rows have it
    parts.append(keras.ops.squeeze(wind, -1))
    words = keras.layers.TextVectorization(vocabulary=list(WORDS), output_sequence_length=4)(given["remark"])
    parts.append(keras.ops.cast(words, "float32"))
    return keras.Model(given, keras.ops.concatenate(parts, axis=-1), name="raw")


def _images() -> Any:
    import keras

    image = keras.Input((None, None, 3), dtype="uint8", name="image")
    resize = keras.layers.Resizing(12, 10, pad_to_aspect_ratio=True, dtype="float32")
    scaled = keras.layers.Rescaling(1.0, dtype="float32")(image)
    return keras.Model(image, resize(scaled, training=False), name="raw")


def _examples(kind: str, steps: int) -> Iterator[dict[str, Any]]:
    random = np.random.default_rng(0)

    def text(value: str) -> Any:
        return np.array([[value]], dtype=object)

    if kind in ("words", "characters"):
        yield from ({"text": text(value)} for value in TEXTS)
    elif kind == "rows":
        known = (*CATEGORIES, "", "?", "B", " b")
        for number in range(24):
            age = np.array([[np.nan if number % 5 == 0 else random.normal(190_000, 10)]], np.float32)
            country, job = known[number % len(known)], known[number // 2 % len(known)]
            remark = TEXTS[number % len(TEXTS)]
            row = {"age": age, "native country": text(country), "job": text(job), "remark": text(remark)}
            yield row | {"wind": np.array([[job, country][:steps]], dtype=object)}
    else:
        for height, width in ((12, 10), (24, 20), (31, 17), (9, 40)):
            yield {"image": random.integers(0, 256, (1, height, width, 3), np.uint8)}
