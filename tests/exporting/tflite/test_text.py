"""Texts become ids in TensorFlow Lite as in Keras."""

import numpy as np
import pytest

from exported_models import Examples, Make

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize("kind", ["words", "characters"])
def test_the_bytes_of_a_text_give_the_same_ids_as_its_string(
    kind: str, plain_model: Make, raw_examples: Examples
) -> None:
    import tensorflow as tf

    from dlrun.exporting.text_layers import TextRules, string_layers
    from dlrun.exporting.tflite.text import ByteTokens

    [layer] = string_layers(plain_model(kind).raw)
    read = ByteTokens(TextRules.of(layer))
    for example in raw_examples(kind):
        text = example["text"][0, 0]
        ids = read(tf.constant(np.frombuffer(text.encode(), np.uint8)[None]))
        assert ids.numpy().tolist() == layer(tf.constant([[text]])).numpy().tolist(), repr(text)
