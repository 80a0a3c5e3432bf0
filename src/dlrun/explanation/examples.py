"""Explain the prediction for each image or spectrogram by its pixels, and for each text by its words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.data.raw_input import Examples
from dlrun.explanation.outputs import chosen_output
from dlrun.explanation.pixels import Method
from dlrun.explanation.words import texts_of, tokens_of, word_weights

if TYPE_CHECKING:
    import keras

    from dlrun.training.trained import Trained

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ExampleExplanation:
    """The explanation of a prediction.

    Args:
        name: Name of the example.
        explained: Class, label or value that is explained.
        prediction: Its probability, or the predicted value; for masks, the share of its pixels.
        heat: Importance of each pixel, from 0 to 1; empty for texts.
        picture: The image; empty for texts.
        weights: Words with their importance, in the order of the text; empty for images.
        method: Method of explanation.
        checkpoint: Name of the explained checkpoint.

    Shape:
        heat: `(height, width)`. picture: `(height, width, channels)` uint8.
    """

    name: str
    explained: str
    prediction: float
    heat: Array
    picture: Array
    weights: tuple[tuple[str, float], ...]
    method: str
    checkpoint: str


def explain_images(
    trained: Trained, examples: Iterator[Examples], output: int | None, *, method: Method
) -> Iterator[ExampleExplanation]:
    """Yield an explanation of the prediction for each image, or for each spectrogram of a recording.

    Args:
        trained: The trained run.
        examples: The images.
        output: Index of the output to explain; None for the predicted one of each image.
        method: Method of explanation.
    """
    from dlrun.explanation.pixels import heat

    predictor, target, shown = trained.predictor(), trained.interface.target, trained.interface.preprocess.pictured
    core = _from_pixels(trained) if trained.interface.features.members else trained.core
    for some in examples:
        features = predictor.features(some.stored) if core is trained.core else some.stored.astype(np.float32)
        for index, name in enumerate(some.names):
            picture = _picture(shown(features[index]))
            if target.kind == "input":
                again = predictor(some.stored[index : index + 1])[0]
                error = np.square(again - features[index]).mean(axis=-1)
                found = error / (error.max() or 1.0)
                yield ExampleExplanation(
                    name,
                    "reconstruction_error",
                    float(error.mean()),
                    shown(found),
                    picture,
                    (),
                    "squared_error",
                    trained.checkpoint,
                )
                continue
            outputs = predictor(some.stored[index : index + 1])[0]
            number, label, value = chosen_output(outputs, output, target)
            found, used = heat(core, features[index], number, target, method=method)
            yield ExampleExplanation(name, label, value, shown(found), picture, (), used, trained.checkpoint)


def _from_pixels(trained: Trained) -> keras.Model:
    """Return the network of an ensemble with its preprocessing, because each member has features of its own."""
    import keras

    pixels = keras.Input(trained.interface.preprocess.raw_shape, dtype="float32", name="pixels")
    features = trained.preprocess()(pixels, training=False)
    return keras.Model(pixels, trained.core(features, training=False), name="from_pixels")


def explain_texts(trained: Trained, examples: Iterator[Examples], output: int | None) -> Iterator[ExampleExplanation]:
    """Yield an explanation of the prediction for each text.

    Args:
        trained: The trained run.
        examples: The texts.
        output: Index of the output to explain; None for the predicted one of each text.
    """
    predictor, target, texts = trained.predictor(), trained.interface.target, texts_of(trained.interface.raw)
    lengths = [raw.sequence_length for raw in texts]
    longest = max(texts, key=lambda raw: raw.sequence_length)
    none = np.zeros(0, np.float32)
    for some in examples:
        for index, name in enumerate(some.names):
            stored = some.stored[index]
            number, label, value = chosen_output(predictor(stored[None])[0], output, target)
            weights = word_weights(predictor, stored, number, lengths=lengths)
            # Of an ensemble, the origin is what each member has read.
            given = some.origin if len(texts) == 1 else some.origin[0].origin
            words = tokens_of(longest, given[index], len(weights))
            pairs = tuple(zip(words, weights.tolist(), strict=False))
            yield ExampleExplanation(name, label, value, none, none, pairs, "occlusion", trained.checkpoint)


def _picture(features: Array) -> Array:
    """Return features as pixels, scaled to 0..255."""
    # Features are pixels divided by 255, or standardized, where the original range is unknown.
    low, high = float(features.min()), float(features.max())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return np.clip((features - low) * 255 / ((high - low) or 1.0), 0, 255).round().astype(np.uint8)
