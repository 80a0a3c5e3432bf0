"""Texts become the same token ids in bulk, for training, and through the Keras model that is deployed."""

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from dlrun.data.raw_input import Examples
from dlrun.data.text.input import TextInput
from dlrun.data.text.keys import TextKeys
from dlrun.data.text.preprocess import TokenPreprocess
from dlrun.data.text.rows import TextReading
from dlrun.data.text.tokens import Standardize, TokenKind
from dlrun.errors import DataError

pytestmark = pytest.mark.tensorflow


TEXTS = (
    "",
    " \t\n",
    "!?.",
    "The cat's on the mat, isn't it? Yes: the CAT.",
    "ÄRGER über Straßen İstanbul ǅ ﬁ ΣΊΣΥΦΟΣ σίσυφος",
    "日本語の文章。全角　空白 と 半角",
    "emoji 👩\u200d👩\u200d👧 👍🏽 🇩🇪 ❤\ufe0f!",
    "a\u00a0b\u2003c\u3000d\u2028e\x85f\x1cg\x1fh\x0bi\x0cj\rk\x00l\x00 m",
    "[UNK] [unk] \\ ^ ` ~ {|} _under_score_ `tick`",
    "e\u0301 é ñ n\u0303 \u202eright\u202c \ufeffbom \u200bzero",
    "long " * 40,
    "\ufffd broken",
    "1.5e-3 10,000 #tag @name http://a.b/c?d=e&f",
)


KINDS = [(kind, how) for kind in get_args(TokenKind) for how in get_args(Standardize)]


def _adapted(texts: tuple[str, ...], *, length: int = 30, **keys: Any) -> tuple[TextInput, TokenPreprocess]:
    text_keys = TextKeys(sequence_length=length, **keys)
    counts = text_keys.count()
    for text in texts:
        counts.add(text)
    vocabulary, _, preprocess = text_keys.settle(counts)
    return TextInput(TextReading(), text_keys.tokens, text_keys.standardize, vocabulary, length), preprocess


def _deployed(raw: TextInput, texts: tuple[str, ...]) -> Any:
    import tensorflow as tf

    examples = Examples([], np.zeros(0), origin=texts)
    model = raw.build()
    rows = [model(tf.constant(raw.deployed(examples, index)["text"])).numpy() for index in range(len(texts))]
    return np.concatenate(rows)


@pytest.mark.parametrize(("kind", "how"), KINDS)
def test_bulk_reading_and_the_deployed_model_give_the_same_ids(kind: str, how: str, tmp_path: Path) -> None:
    import json

    raw, _ = _adapted(TEXTS, tokens=kind, standardize=how, vocabulary_size=60)
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS), "utf-8")
    read = list(raw.read(str(file), at_once=5))
    assert [len(examples) for examples in read] == [5, 5, 3]
    stored = np.concatenate([examples.stored for examples in read])
    assert (stored == _deployed(raw, TEXTS)).all()
    assert len(np.unique(stored)) > 20


def test_an_empty_text_is_one_unknown_token_in_both_ways() -> None:
    raw, _ = _adapted(("a b", "b"), vocabulary_size=4, length=3)
    assert raw.encoder()("") == raw.encoder()(" !") == [1]
    assert _deployed(raw, ("", " !", "b zzz a b b")).tolist() == [[1, 0, 0], [1, 0, 0], [2, 1, 3]]


def test_the_deployed_model_is_saved_and_loaded_by_plain_keras(tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    raw, _ = _adapted(TEXTS, tokens="characters", standardize="none", vocabulary_size=300)
    model = raw.build()
    model.save(tmp_path / "raw.keras")
    loaded = keras.saving.load_model(tmp_path / "raw.keras")
    texts = tf.constant([[text] for text in TEXTS])
    assert (loaded(texts).numpy() == model(texts).numpy()).all()
    assert loaded.output.dtype == "int32"


def test_a_vocabulary_is_the_most_frequent_tokens_and_ties_go_by_code_point() -> None:
    raw, _ = _adapted(("b a c", "c é z", "c"), vocabulary_size=6)
    assert raw.vocabulary == ("c", "a", "b", "z")
    assert [raw.token(number) for number in range(7)] == ["", "[UNK]", "c", "a", "b", "z", ""]


@pytest.mark.parametrize("mode", ["multi_hot", "count", "tf_idf"])
def test_bags_are_those_of_keras_with_a_place_for_padding(mode: Any, tmp_path: Path) -> None:
    import keras

    texts = (*(text for text in TEXTS if text.split()), "the the cat", "cat mat")
    raw, preprocess = _adapted(texts, vocabulary_size=20, length=60, output_mode=mode)
    vectors = preprocess.build()(_deployed(raw, texts)).numpy()
    layer = keras.layers.TextVectorization(output_mode=mode, max_tokens=19, pad_to_max_tokens=True)
    layer.adapt(np.array(texts, object))
    layer = keras.layers.TextVectorization(
        output_mode=mode,
        vocabulary=list(raw.vocabulary),
        idf_weights=list(preprocess.idf[2:]) if mode == "tf_idf" else None,
    )
    keeps = [index for index, text in enumerate(texts) if raw.encoder().cut(text)]
    assert np.allclose(vectors[keeps, 1:], layer(np.array(texts, object)).numpy()[keeps], atol=1e-6)
    assert (vectors[:, 0] == 0).all()
    assert vectors.dtype == np.float32
    preprocess.build().save(tmp_path / "bag.keras")
    loaded = keras.saving.load_model(tmp_path / "bag.keras")
    assert (loaded(_deployed(raw, texts)).numpy() == vectors).all()


def test_tf_idf_weights_are_those_that_keras_adapts() -> None:
    import keras

    texts = ("the the cat", "cat mat", "the dog", "a")
    raw, preprocess = _adapted(texts, vocabulary_size=8, output_mode="tf_idf")
    layer = keras.layers.TextVectorization(output_mode="tf_idf")
    layer.adapt(np.array(texts, object))
    theirs = dict(zip(layer.get_vocabulary(), layer._lookup_layer.idf_weights.numpy().tolist(), strict=True))
    ours = dict(zip(("[UNK]", *raw.vocabulary), preprocess.idf[1:7], strict=True))
    assert ours == pytest.approx(theirs)
    assert len(preprocess.idf) == 8


def test_masked_recurrent_layers_never_see_a_text_that_is_all_padding() -> None:
    """On a GPU such a text is an error of cuDNN's kernels; Keras itself says whether a mask is one for them."""
    import keras
    from keras.src.backend.tensorflow.rnn import _has_fully_masked_sequence, _is_sequence_right_padded

    raw, _ = _adapted(TEXTS, vocabulary_size=30)
    ids = _deployed(raw, TEXTS)
    mask = keras.layers.Embedding(30, 2, mask_zero=True).compute_mask(ids)
    assert not _has_fully_masked_sequence(mask)
    assert _is_sequence_right_padded(mask)
    assert bool(_has_fully_masked_sequence(np.zeros((1, 3), bool)))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_other_columns_of_texts_go_along(ending: str, tmp_path: Path) -> None:
    import json

    import pyarrow as pa
    from pyarrow import parquet

    raw, _ = _adapted(TEXTS)
    path = tmp_path / f"x.{ending}"
    rows = [{"id": "007", "text": "a", "n": 1, "is": True}, {"id": "ü,", "text": "b", "n": None, "is": False}]
    if ending == "csv":
        path.write_text('id,text,n,is\n007,a,1,true\n"ü,",b,,false\n')
    elif ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        parquet.write_table(pa.Table.from_pylist(rows), path)
    kept = [block.kept for block in raw.keeping(["id", "n", "is"]).read(str(path), at_once=1)]
    assert [block["id"] for block in kept] == [["007"], ["ü,"]]
    assert [block["n"] for block in kept] == [["1"], [""] if ending == "csv" else [None]]
    assert [block["is"] for block in kept] == [["true"], ["false"]]
    with pytest.raises(DataError, match="'idd'") as raised:
        next(raw.keeping(["idd"]).read(str(path), at_once=1))
    assert "did you mean 'id'" in str(raised.value)
    (tmp_path / "lines.txt").write_text("a\n")
    for source in (tmp_path / "lines.txt", tmp_path):
        with pytest.raises(DataError, match="no column 'id' to keep"):
            next(raw.keeping(["id"]).read(str(source), at_once=1))
