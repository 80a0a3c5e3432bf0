"""A run on texts predicts without its data, and its joined parts give the same for raw strings."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.data.raw_input import Examples
from dlrun.experiment import train as experiment
from dlrun.runs.folder import RunFolder
from dlrun.spec.parse import read_spec

pytestmark = pytest.mark.tensorflow

SPEC = """
dataset: {type: text, path: %s, vocabulary_size: 50, test: 0.25, output_mode: %s}
model: %s
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 8, steps: 60, tensorboard: false, report: false}
optimizer: {type: adam, learning_rate: 1e-2}
"""
MODELS = [
    ("int", "{type: lstm, embedding_size: 8, units: [8], mask_zero: true}"),
    ("tf_idf", "{type: mlp, units: [8]}"),
]


@pytest.mark.parametrize(("mode", "model"), MODELS)
def test_predictions_from_files_and_from_the_joined_models_agree(mode: str, model: str, tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    from dlrun.training.predictor import Predictor
    from dlrun.training.trained import load_trained

    data = tmp_path / "texts.csv"
    rows = [(f"{'schön good' if k % 2 else 'ugly bad'} thing number {k}", "up" if k % 2 else "down") for k in range(40)]
    data.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows), "utf-8")
    config = tmp_path / "text.yaml"
    config.write_text(SPEC % (data, mode, model))
    result = experiment.train(config, runs_dir=tmp_path / "runs")
    assert result.scores["test"]["accuracy"] == 1.0
    spec = read_spec(config).spec
    data.unlink()
    trained: Any = load_trained(RunFolder(result.folder.path), spec, checkpoint="final", listener=lambda _: None)
    interface, texts = trained.interface, ("A schön, GOOD thing!", "An ugly, BAD thing number 3", "", "unseen 猫 words")
    new = tmp_path / "new.jsonl"
    new.write_text("".join(f'{{"text": "{text}"}}\n' for text in texts), "utf-8")
    (examples,) = interface.raw.read(str(new), at_once=10)
    predictor: Predictor = trained.predictor()
    predicted = predictor(examples.stored)
    assert predicted.shape == (4, 2)
    assert [interface.target.class_names[k] for k in predicted[:2].argmax(axis=1)] == ["up", "down"]
    raw = interface.raw.build()
    joined = keras.Model(raw.input, predictor.model(raw.output)[0])
    values = [interface.raw.deployed(Examples([], np.zeros(0), origin=texts), k)["text"] for k in range(4)]
    assert np.allclose(joined(tf.constant(np.concatenate(values))).numpy(), predicted, atol=1e-6)
