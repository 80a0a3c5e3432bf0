"""Every kind of data and model is exported to every format and quantization; takes minutes, prints the differences."""

import itertools
import sys
from pathlib import Path
from typing import Any

import pytest

from dlrun.errors import DlrunError
from dlrun.exporting.export import export
from dlrun.exporting.formats import FORMATS
from shapes import write_shapes

pytestmark = [pytest.mark.tensorflow, pytest.mark.soak]

TRAINING = "training: {batch_size: 64, epochs: 1, jit: off, tensorboard: false, report: false}\n"
CLASSES = "loss: sparse_categorical_crossentropy\n" + TRAINING
VALUES = "loss: mean_squared_error\n" + TRAINING
TABLE = "dataset: {type: table, path: DATA/adult.csv, target: income, test: 0.2, validation: 0.1}\n"
TEXT = "dataset: {type: text, path: DATA/movie_reviews.csv, test: 0.1, validation: 0.1, sequence_length: 40KEYS}\n"
DIGITS = "dataset: {type: builtin, name: digits, validation: 0.1}\n"
SEQUENCE = "dataset: {type: synthetic, task: sequence, validation: 0.1}\n"

KINDS = {
    "mlp": "dataset: {type: builtin, name: wine}\nmodel: {type: mlp, units: [32]}\n" + CLASSES,
    "binary": "dataset: {type: builtin, name: breast_cancer}\nmodel: linear\nloss: binary_crossentropy\n" + TRAINING,
    "regression": "dataset: {type: builtin, name: diabetes}\nmodel: {type: mlp, units: [32]}\n" + VALUES,
    "cnn": DIGITS
    + "model: {type: cnn, blocks: [{filters: 16, kernel_size: 3}], batch_normalization: true}\n"
    + CLASSES,
    "rows_lstm": DIGITS + "model: {type: lstm, units: [32]}\n" + CLASSES,
    "lstm": SEQUENCE + "model: {type: lstm, units: [32]}\n" + VALUES,
    "gru": SEQUENCE + "model: {type: gru, units: [32], bidirectional: true}\n" + VALUES,
    "rnn": SEQUENCE + "model: {type: rnn, units: [32]}\n" + VALUES,
    "tied": DIGITS + "model: {type: autoencoder, encoder: dense, units: [32], latent_units: 8, tied: true}\n" + VALUES,
    "convolutional": DIGITS + "model: {type: autoencoder, encoder: convolutional, filters: [8, 4]}\n" + VALUES,
    "table": TABLE + "model: {type: mlp, units: [32]}\n" + CLASSES,
    "tabm": TABLE.replace("test:", "scaling: quantile, test:")
    + "model: {type: tabm, units: [32], members: 8, numeric_embedding: periodic}\n"
    + CLASSES,
    "realmlp": TABLE.replace("test:", "scaling: robust, test:") + "model: {type: realmlp, units: [32]}\n" + CLASSES,
    "text_lstm": TEXT.replace("KEYS", "")
    + "model: {type: lstm, units: [16], embedding_size: 8, mask_zero: true}\n"
    + CLASSES,
    "text_cnn": TEXT.replace("KEYS", ", vocabulary_size: 2000")
    + "model: {type: cnn, embedding_size: 8, blocks: [{filters: 16, kernel_size: 3}]}\n"
    + CLASSES,
    "text_tf_idf": TEXT.replace("KEYS", ", vocabulary_size: 2000, output_mode: tf_idf") + "model: linear\n" + CLASSES,
    "text_multi_hot": TEXT.replace("KEYS", ", vocabulary_size: 2000, output_mode: multi_hot")
    + "model: linear\n"
    + CLASSES,
    "text_characters": TEXT.replace("KEYS", ", tokens: characters")
    + "model: {type: cnn, embedding_size: 8, blocks: [{filters: 16, kernel_size: 3}]}\n"
    + CLASSES,
    "series": "dataset: {type: series, path: DATA/beijing_pm25.csv, time: [year, month, day, hour], target: pm2.5,\n"
    "  history: 24, test: 0.2, validation: 0.1}\nmodel: {type: lstm, units: [32]}\n" + VALUES,
    "scaled_series": "dataset: {type: series, path: DATA/beijing_pm25.csv, time: [year, month, day, hour],\n"
    "  target: pm2.5, history: 24, test: 0.2, validation: 0.1, scaling: quantile}\n"
    "model: {type: gru, units: [16], numeric_embedding: {type: piecewise_linear, size: 4}}\n" + VALUES,
    "least_squares_series": "dataset: {type: series, path: DATA/beijing_pm25.csv, time: [year, month, day, hour],\n"
    "  target: pm2.5, history: 24, horizon: 3, difference: true, test: 0.2, validation: 0.1,\n"
    "  missing: {numeric: last}}\n"
    "model: {type: linear, solver: least_squares, l2: 0.01}\n" + VALUES,
    "least_squares_table": TABLE.replace("target: income", "target: age, task: regression")
    + "model: {type: linear, solver: least_squares}\n"
    + VALUES,
    "resnet": DIGITS + "model: {type: resnet, depth: 20, filters: 4, stochastic_depth: 0.2}\n" + CLASSES,
    "resnet_18": SEQUENCE + "model: {type: resnet, depth: 18, filters: 4}\n" + VALUES,
    "tcn": SEQUENCE
    + "model: {type: tcn, filters: [16, 16, 24], dropout: 0.1, stochastic_depth: 0.2, linear_shortcut: true}\n"
    + VALUES,
    "transformer": SEQUENCE
    + "model: {type: transformer, width: 16, positions: sinusoidal, linear_shortcut: true}\n"
    + VALUES,
    "vision_transformer": DIGITS + "model: {type: transformer, width: 16, patch_size: 2, dropout: 0.1}\n" + CLASSES,
    "text_transformer": TEXT.replace("KEYS", ", vocabulary_size: 2000")
    + "model: {type: transformer, width: 16, stochastic_depth: 0.1}\n"
    + CLASSES,
    "graph": DIGITS
    + """
model:
  type: graph
  layers:
    - Conv2D: {name: stem, filters: 8, kernel_size: 3, padding: same}
    - Conv2D: {name: branch, filters: 8, kernel_size: 3, padding: same, activation: sigmoid}
    - Multiply: {name: gated, inputs: [stem, branch]}
    - Add: {inputs: [stem, gated]}
    - Flatten
    - Dense: {units: 10}
"""
    + CLASSES,
    "text_graph": TEXT.replace("KEYS", ", vocabulary_size: 2000")
    + """
model:
  type: graph
  layers:
    - Embedding: {input_dim: 2000, output_dim: 16, mask_zero: true}
    - LSTM: {name: states, units: 16, return_sequences: true}
    - Attention: {name: seen, inputs: [states, states]}
    - MultiHeadAttention: {name: heads, num_heads: 2, key_dim: 8, inputs: [states, states]}
    - Concatenate: {inputs: [seen, heads]}
    - GlobalAveragePooling1D
    - Dense: {units: 2}
"""
    + CLASSES,
    "pretrained": "dataset: {type: images, path: DATA/cifar10_images, size: [32, 32], validation: 0.1}\n"
    "model: {type: pretrained, backbone: mobilenet, alpha: 0.25, weights: none, head_units: [16]}\n" + CLASSES,
    "pretrained_caffe": "dataset: {type: images, path: DATA/cifar10_images, size: [32, 32], channels: 1}\n"
    "model: {type: pretrained, backbone: vgg16, weights: none}\n" + CLASSES,
    "masks": "dataset: {type: images, path: SHAPES/images, masks: SHAPES/masks, size: [16, 20], fit: pad}\n"
    "model: {type: unet, filters: [8, 12, 16], upsampling: bilinear, residual: true}\nloss: dice_crossentropy\n"
    + TRAINING.replace("epochs: 1", "epochs: 10"),  # int8 changes the class of pixels that are between two
    "images": "dataset: {type: images, path: DATA/cifar10_images, size: [24, 24], validation: 0.1}\n"
    "model: {type: cnn, blocks: [{filters: 16, kernel_size: 3, pool_size: 2}]}\n" + CLASSES,
}
WAYS = [
    ("keras", None),
    ("savedmodel", None),
    ("onnx", None),
    *itertools.product(["tflite"], [None, "float16", "int8"]),
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the runs; each kind is trained on first use."""
    return tmp_path_factory.mktemp("sweep")


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_exports_to_every_format(
    kind: str, runs: Path, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlrun.data import datasets
    from dlrun.experiment.train import train

    for name in ("images", "table"):
        if f"type: {name}," in KINDS[kind] and name not in datasets.names():
            pytest.skip(f"there is no dataset of the type {name}")
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    config, text = tmp_path / f"{kind}.yaml", KINDS[kind].replace("DATA", str(shared_data))
    if "SHAPES" in text:
        text = text.replace("SHAPES", str(write_shapes(tmp_path / "shapes", count=130)))
    config.write_text(text)
    run = train(config, runs_dir=runs).folder.path
    rows, failed = [], []
    for to, quantize in WAYS:
        if any(_is_missing(package) for package in FORMATS[to].packages):
            continue
        output = tmp_path / f"{kind}-{quantize}{FORMATS[to].suffix}"
        try:
            made: Any = export(run, to, quantize=quantize, output=output)
        except DlrunError as error:
            failed.append(f"{kind} {to} {quantize}: {error.what}")
            continue
        found = made.measured
        said = f"{found.largest_difference:<9.2g} {found.relative_difference:<9.2g}"
        rows.append(
            f"{kind:<16} {to:<10} {quantize or '':<8} {said}"
            f" {'' if found.equal_decisions is None else f'{found.equal_decisions:.1%}':<7} {made.bytes:>9,}"
            f" {found.seconds * 1000:8.3f} ms"
        )
    sys.stdout.write("\n" + "\n".join(rows) + "\n")  # pytest -s shows it
    assert not failed


def _is_missing(package: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(package) is None
