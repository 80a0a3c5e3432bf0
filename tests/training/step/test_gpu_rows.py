"""On a GPU, batches are gathered from its own memory, and equal those of a CPU."""

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.signature import Target
from dlrun.spec.parse import read_config

pytestmark = pytest.mark.tensorflow

CONFIGS = Path(__file__).parents[3] / "configs"
AUGMENTED = "dataset.augmentation={flip: horizontal, translation: 0.1, rotation: 10}"


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the code for a GPU be built on this CPU."""
    keras_rnn = import_module("keras.src.backend.tensorflow.rnn")

    from dlrun.training.devices.device import Device
    from dlrun.training.step.feed import Feed

    monkeypatch.setattr(Device, "is_gpu", True)
    monkeypatch.setattr(Feed, "is_on_gpu", True)
    monkeypatch.setattr("dlrun.training.setup.free_bytes", lambda _: 1 << 32)
    monkeypatch.setattr(keras_rnn, "_is_gpu_available", lambda: True)


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("shape", [(), (3,), (2, 4)])
def test_rows_of_any_integers_come_back_as_they_were(shape: tuple[int, ...], xla: bool) -> None:
    import tensorflow as tf

    from dlrun.training.step.gpu_rows import restore_rows, store_rows, stored_spec

    def gathered(array: Any, rows: Any) -> Any:
        return restore_rows(tf.gather(rows, [3, 0, 3]), array)

    generator = np.random.default_rng(0)
    for dtype in (np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.int64):
        limits = np.iinfo(dtype)
        array = generator.integers(limits.min, limits.max, (5, *shape), dtype, endpoint=True)
        stored = store_rows(array)
        assert stored.dtype == np.int64
        spec = stored_spec(array)
        assert spec.shape.as_list() == [None, *stored.shape[1:]]
        restored = partial(gathered, array)
        found = tf.function(restored, input_signature=[spec], jit_compile=xla, autograph=False)(stored)
        np.testing.assert_array_equal(found, array[[3, 0, 3]])
        assert found.dtype == dtype
    floats = np.zeros((2, 3), np.float32)
    assert store_rows(floats) is floats


def test_a_batch_on_a_gpu_equals_that_of_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    from dlrun.data import ArrayPreprocess, Split
    from dlrun.training.step.feed import Feed

    images = np.random.default_rng(0).integers(0, 256, (6, 3, 5), np.uint8)
    split = Split(images, np.arange(6) % 3, np.linspace(1, 2, 6, dtype=np.float32))
    preprocess = ArrayPreprocess(raw_shape=(3, 5), scale=0.5).build()
    found = []
    for is_on_gpu in (False, True):
        monkeypatch.setattr(Feed, "is_on_gpu", is_on_gpu)
        for resident in (True, False):
            feed = Feed(split, target=Target("classes", 3, encoding="index"), preprocess=preprocess, resident=resident)
            (step_range,) = feed.step_ranges(np.array([4, 1, 5], np.int32), batch_size=3, last_step=1)
            found.append(feed.batch(step_range.rows[0], step_range.order))
    for other in found[1:]:
        for mine, its in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(mine, its)
            assert mine.dtype == its.dtype


def lacking_kernels(config: Path, *overrides: str) -> tuple[set[str], set[str]]:
    """Return the operations of a training step that have no GPU kernel, and the names of all its operations.

    TensorFlow would compute the former on the CPU. Its kernels are known without a GPU: the package has them all.
    """
    import tensorflow as tf
    from tensorflow.python.framework.kernels import get_registered_kernels_for_op

    from dlrun.training.progress.events import silent
    from dlrun.training.setup import assemble
    from dlrun.training.step.steps import StepRunner

    file = read_config(config, overrides, trust_plugins=False).first_fold()
    setup = assemble(file, listener=silent)
    model = setup.compiled.model
    steps = StepRunner(
        model, model.train_step, setup.training_feed(), batch_size=32, jit=False, replicas=setup.replicas
    )
    graph = steps._plain.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]

    def is_on_gpu(node: Any, kernel: Any) -> bool:
        return kernel.device_type in ("GPU", "DEFAULT") and all(
            node.attr[each.name].type in each.allowed_values.list.type for each in kernel.constraint
        )

    lacking = set()
    for node in nodes:
        kernels = get_registered_kernels_for_op(node.op).kernel
        if len(kernels) and not any(is_on_gpu(node, kernel) for kernel in kernels):
            types = {name: tf.as_dtype(value.type).name for name, value in node.attr.items() if value.type}
            lacking.add(f"{node.op} {types}")
    rows = [each.dtype for each in setup.training_feed().specs[0]]
    assert tf.int32 not in rows, "TensorFlow would copy these rows to the GPU in every step"
    return lacking, {node.op for node in nodes}


@pytest.mark.usefixtures("on_gpu")
def test_every_operation_of_a_training_step_has_a_gpu_kernel() -> None:
    lacking, operations = lacking_kernels(CONFIGS / "digits_cnn.yaml", AUGMENTED, "training.precision=float16")
    assert not lacking
    assert "ResourceApplyAdam" in operations


@pytest.mark.soak
@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_every_operation_of_every_kind_of_model_has_a_gpu_kernel(precision: str) -> None:
    recurrent = ("model.bidirectional=true", "model.dropout=0.1")
    for name, overrides, wanted in (
        ("digits_lstm", recurrent, "CudnnRNNV3"),
        ("digits_mlp", ("optimizer={type: sgd, momentum: 0.9}",), "ResourceApplyKerasMomentum"),
        ("digits_autoencoder", (), ""),
        ("breast_cancer_tabm", (), ""),
        ("diabetes_realmlp", (), ""),
        ("sequence_rnn", (), ""),
    ):
        lacking, operations = lacking_kernels(CONFIGS / f"{name}.yaml", *overrides, f"training.precision={precision}")
        assert lacking <= {"Softplus {'T': 'bfloat16'}"}, name  # TensorFlow 2.21 computes it on the CPU
        assert not wanted or wanted in operations
