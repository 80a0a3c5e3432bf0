"""What goes wrong in a step is an error that says what to try."""

import pytest

from dlrun.errors import RunError
from dlrun.training.devices.cluster import ALONE, Cluster
from dlrun.training.failures import building_failures, not_finite, out_of_memory, step_failures, worker_failures


def test_a_batch_that_is_too_large_suggests_half_of_it_down_to_one_example() -> None:
    assert out_of_memory("training.batch_size", 64).hint == "--set training.batch_size=32"
    assert "smaller model" in out_of_memory("training.batch_size", 1).hint


def test_a_loss_that_is_not_finite_suggests_a_lower_learning_rate() -> None:
    assert "learning_rate" in not_finite("the loss is nan in step 7").hint


def test_an_error_of_dlrun_is_not_taken_for_a_lost_worker() -> None:
    for cluster in (ALONE, Cluster(workers=2)):
        with pytest.raises(RunError, match="mine"), worker_failures(cluster, "a"):
            raise RunError("mine")


@pytest.mark.tensorflow
def test_what_tensorflow_raises_in_a_step_becomes_one_line_with_advice() -> None:
    import tensorflow as tf

    for raised, message in (
        (tf.errors.ResourceExhaustedError(None, None, "OOM"), "out of memory with a batch of 8"),
        (tf.errors.InternalError(None, None, "Dst tensor is not initialized."), "out of memory with a batch of 8"),
        (tf.errors.InternalError(None, None, "CUDA_ERROR_OUT_OF_MEMORY: x"), "out of memory with a batch of 8"),
        (tf.errors.UnknownError(None, None, "CUBLAS_STATUS_ALLOC_FAILED"), "out of memory with a batch of 8"),
        (tf.errors.UnimplementedError(None, None, "no deterministic GPU kernel"), "no deterministic GPU kernel$"),
        (tf.errors.InvalidArgumentError(None, None, "indices[0] = 9 is not in [0, 5)\nmore"), r"9 is not in \[0, 5\)$"),
    ):
        with pytest.raises(RunError) as caught, step_failures("training.batch_size", 8):
            raise raised
        assert caught.match(f"(?m){message}")


@pytest.mark.tensorflow
def test_too_little_memory_for_the_data_is_an_error_with_advice_and_other_errors_stay() -> None:
    import tensorflow as tf

    for raised in (
        MemoryError(),
        tf.errors.InternalError(None, None, "Failed copying: Dst tensor is not initialized."),
    ):
        with pytest.raises(RunError, match="do not fit into memory"), building_failures():
            raise raised
    with pytest.raises(tf.errors.InternalError), building_failures():
        raise tf.errors.InternalError(None, None, "something else")
    with pytest.raises(tf.errors.InternalError), step_failures("training.batch_size", 8):
        raise tf.errors.InternalError(None, None, "something else")


@pytest.mark.tensorflow
def test_a_lost_worker_is_named_with_the_command_that_resumes() -> None:
    import tensorflow as tf

    lost = tf.errors.UnavailableError(None, None, "{{node AllReduce}} connection reset")
    two = Cluster(workers=2, launched=True)
    with (
        pytest.raises(RunError, match=r"another worker has ended.*: connection reset") as caught,
        worker_failures(two, "a"),
    ):
        raise lost
    assert "dlrun launch --workers 2 --resume a" in caught.value.hint
    with pytest.raises(tf.errors.UnavailableError), worker_failures(ALONE, "a"):
        raise lost
