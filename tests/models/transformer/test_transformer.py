"""The transformer encoder: padding changes nothing, all else is seen, and keys that do not fit are found."""

from typing import Any

import numpy as np
import pytest

from dlrun.models.transformer.transformer import Transformer
from dlrun.signature import Features, Target

TOKENS = Features("tokens", (7,), vocabulary_size=20)
IMAGE = Features("image", (8, 6, 1))
SEQUENCE = Features("sequence", (5, 3))
CLASSES = Target("classes", 4)
SMALL: dict[str, Any] = {"width": 8, "heads": 2, "layers": 2}


def paths(model: Transformer, features: Features) -> list[Any]:
    return [problem.path for problem in model.misfits(features)]


def test_a_width_that_the_heads_cannot_share_is_a_problem() -> None:
    (problem,) = Transformer(width=64, heads=5).problems()
    assert (problem.path, problem.hint) == (("heads",), "heads: 4")
    assert not list(Transformer(width=60, heads=5).problems())


@pytest.mark.parametrize(
    ("keys", "features", "path"),
    [
        ({}, IMAGE, ()),
        ({"patch_size": 4}, IMAGE, ("patch_size",)),
        ({"patch_size": (4, 3, 1)}, IMAGE, ("patch_size",)),
        ({"patch_size": 2}, SEQUENCE, ("patch_size",)),
        ({"numeric_embedding": "periodic"}, TOKENS, ("numeric_embedding",)),
        ({"linear_shortcut": True}, TOKENS, ("linear_shortcut",)),
    ],
)
def test_keys_that_do_not_fit_the_features_are_found(keys: dict[str, Any], features: Features, path: Any) -> None:
    assert paths(Transformer(**SMALL, **keys), features) == [path]


def test_patches_may_differ_along_the_axes() -> None:
    assert not paths(Transformer(**SMALL, patch_size=(4, 3)), IMAGE)
    (problem,) = Transformer(**SMALL, patch_size=5).misfits(IMAGE)
    assert problem.hint == "patch_size: 2"


def vectors(model: Any, ids: Any) -> Any:
    """The vectors of all tokens after the last block."""
    import keras

    return np.asarray(keras.Model(model.input, model.get_layer("final_normalization").output)(ids))


IDS = np.array([[3, 5, 9, 2, 0, 0, 0], [4, 0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7]], "int32")
REAL = IDS != 0


@pytest.mark.tensorflow
@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_neither_the_content_nor_the_length_of_padding_changes_anything_for_the_other_tokens(positions: Any) -> None:
    model = Transformer(**SMALL, positions=positions).build(TOKENS, CLASSES)
    before, outputs = vectors(model, IDS), np.asarray(model(IDS))
    table = model.get_layer("embedding").embeddings
    table.assign(np.concatenate([np.full((1, 8), 1e3, "float32"), table.numpy()[1:]]))
    np.testing.assert_array_equal(vectors(model, IDS)[REAL], before[REAL])
    np.testing.assert_array_equal(model(IDS), outputs)
    longer = Transformer(**SMALL, positions=positions).build(Features("tokens", (15,), vocabulary_size=20), CLASSES)
    for weight in longer.weights:
        (own,) = [each for each in model.weights if each.path == weight.path]
        values = own.numpy()
        if weight.path.startswith("positions"):
            values = np.concatenate([values, np.full((8, 8), 1e3, "float32")])
        weight.assign(values)
    padded = np.pad(IDS, ((0, 0), (0, 8)))
    np.testing.assert_allclose(vectors(longer, padded)[:, :7][REAL], before[REAL], atol=2e-6)
    np.testing.assert_allclose(longer(padded), outputs, atol=2e-6)


@pytest.mark.tensorflow
def test_every_token_sees_every_other_and_without_masking_the_padding_too() -> None:
    changed = IDS.copy()
    changed[0, 3] = 11
    model = Transformer(**SMALL).build(TOKENS, CLASSES)
    moved = np.abs(vectors(model, changed) - vectors(model, IDS)).max(axis=-1)[0]
    assert (moved[:4] > 1e-5).all()
    unmasked = Transformer(**SMALL, mask_zero=False).build(TOKENS, CLASSES)
    before = np.asarray(unmasked(IDS))
    table = unmasked.get_layer("embedding").embeddings
    table.assign(np.concatenate([np.ones((1, 8), "float32"), table.numpy()[1:]]))
    assert np.abs(np.asarray(unmasked(IDS)) - before)[:2].min() > 1e-5


@pytest.mark.tensorflow
def test_an_empty_text_has_a_finite_prediction() -> None:
    model = Transformer(**SMALL).build(TOKENS, CLASSES)
    head = model.get_layer("head").bias
    np.testing.assert_allclose(model(np.zeros((1, 7), "int32")), head.numpy()[None], atol=1e-6)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("positions", "is_order_seen"), [("none", False), ("learned", True), ("sinusoidal", True)])
def test_only_positions_tell_the_order_of_the_steps(positions: Any, is_order_seen: bool) -> None:
    model = Transformer(**SMALL, positions=positions).build(SEQUENCE, CLASSES)
    steps = np.random.default_rng(0).normal(size=(4, 5, 3)).astype("float32")
    difference = np.abs(np.asarray(model(steps)) - np.asarray(model(steps[:, ::-1]))).max()
    assert (difference > 1e-3) == is_order_seen


@pytest.mark.tensorflow
def test_a_patch_is_a_rectangle_of_the_image_in_reading_order() -> None:
    model = Transformer(**SMALL, patch_size=(4, 3)).build(IMAGE, CLASSES)
    import keras

    patches = keras.Model(model.input, model.get_layer("patch_sequence").output)
    image = np.zeros((1, 8, 6, 1), "float32")
    image[0, 5, 1] = 1
    bias = model.get_layer("patches").bias.numpy()
    assert np.any(np.asarray(patches(image))[0] != bias, axis=-1).tolist() == [False, False, True, False]
