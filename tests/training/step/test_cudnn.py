"""Recurrent layers compute with cuDNN where it works, and without it elsewhere."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a network with a mask, on a machine that seems to have a GPU."""
    import keras

    keras_rnn = import_module("keras.src.backend.tensorflow.rnn")

    layers = keras.layers
    made = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            layers.Embedding(5, 2, mask_zero=True),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
            layers.GRU(3, use_cudnn=False),
        ]
    )
    monkeypatch.setattr(keras_rnn, "_is_gpu_available", lambda: True)
    return made


def operations(model: Any) -> set[str]:
    import tensorflow as tf

    traced = tf.function(model, input_signature=[tf.TensorSpec((None, 4), tf.int32)])
    graph = traced.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return {node.op for node in nodes}


def test_a_step_for_xla_is_traced_without_cudnn(model: Any) -> None:
    from dlrun.training.step.cudnn import recurrent_layers, without_cudnn

    assert "CudnnRNNV3" in operations(model)
    with without_cudnn(model):
        assert "CudnnRNNV3" not in operations(model)
    assert [layer.use_cudnn for layer in recurrent_layers(model)] == ["auto", "auto", False]
    with without_cudnn(model, on=False):
        assert "CudnnRNNV3" in operations(model)


def test_an_export_is_traced_without_cudnn(model: Any) -> None:
    from dlrun.exporting.rebuilding import stop_cudnn

    stop_cudnn(model)
    assert "CudnnRNNV3" not in operations(model)


@pytest.mark.parametrize(
    ("ids", "works"),
    [
        ([[1, 2, 0, 0], [3, 0, 0, 0], [1, 1, 1, 1]], True),
        ([[1, 2, 0, 0], [0, 0, 1, 2]], False),
        ([[1, 2, 0, 0], [1, 0, 2, 0]], False),
        ([[1, 2, 0, 0], [0, 0, 0, 0]], False),
    ],
)
def test_cudnn_is_used_only_for_sequences_that_end_with_their_padding(
    model: Any, ids: list[list[int]], works: bool
) -> None:
    from dlrun.training.step.cudnn import avoid_cudnn

    reason = avoid_cudnn(model, [np.array(ids)], are_tokens=True)
    assert (not reason) == works == ("CudnnRNNV3" in operations(model))


def test_cudnn_is_not_used_with_masks_of_other_sequences(model: Any) -> None:
    import keras

    from dlrun.training.step.cudnn import avoid_cudnn

    assert avoid_cudnn(model, [], are_tokens=False)
    unmasked = keras.Sequential([keras.Input((4, 2)), keras.layers.LSTM(3)])
    assert not avoid_cudnn(unmasked, [], are_tokens=False)


def test_a_run_and_its_predictions_do_without_cudnn_if_sequences_may_be_padded_on_the_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlrun.experiment.train import train
    from dlrun.spec.stored import read_stored_spec
    from dlrun.training.devices.device import Device
    from dlrun.training.progress.events import Note, silent
    from dlrun.training.step.cudnn import recurrent_layers
    from dlrun.training.trained import load_trained

    monkeypatch.setattr(Device, "is_gpu", True)
    monkeypatch.setattr("dlrun.training.setup.free_bytes", lambda _: 1 << 30)
    ids = np.array([[0, 1, 2], [0, 0, 3]] * 8, np.int32)
    np.savez(tmp_path / "ids.npz", x_train=ids, y_train=np.arange(16) % 2, x_test=ids, y_test=np.arange(16) % 2)
    config = {
        "name": "padded",
        "dataset": {"type": "arrays", "path": str(tmp_path / "ids.npz"), "features_kind": "tokens"},
        "model": {"type": "lstm", "units": [2], "embedding_size": 2, "mask_zero": True},
        "loss": "sparse_categorical_crossentropy",
        "training": {"batch_size": 8, "epochs": 1, "jit": "off", "report": False, "tensorboard": False},
    }
    notes: list[Any] = []
    run = train(config, runs_dir=tmp_path / "runs", listener=notes.append)
    assert [note.text[:4] for note in notes if isinstance(note, Note) and note.subject == "cudnn"] == ["off:"]
    spec = read_stored_spec(run.folder).spec
    trained = load_trained(run.folder, spec, checkpoint="final", listener=silent)
    assert [layer.use_cudnn for layer in recurrent_layers(trained.core)] == [False]
