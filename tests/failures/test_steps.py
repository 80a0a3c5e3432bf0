"""A step that gives no numbers, or none at all: what is said, and what is left."""

import json
from typing import Any

import numpy as np
import pytest

from dlrun.errors import RunError
from dlrun.evaluation.evaluate import evaluate
from dlrun.experiment.resume import resume
from dlrun.training.progress.events import EpochDone, TrainingStarted

pytestmark = pytest.mark.tensorflow


def spoil(variable: Any, value: float) -> None:
    variable.assign(np.full(variable.shape, value, np.float32))


def named(model: Any, part: str) -> Any:
    return next(variable for variable in model.variables if part in variable.path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_names_its_steps_and_keeps_the_last_good_checkpoint(small: Any, value: float) -> None:
    small.on(EpochDone, lambda _: spoil(small.model.trainable_variables[-1], value), epoch=2)
    with pytest.raises(
        RunError, match=r"^the loss became (nan|-?inf) in step(s 17 to \d+| 17) \(epoch 3\)\n"
    ) as raised:
        small.train()
    assert raised.value.exit_code == 1
    for advice in ("learning_rate", "clipnorm", "precision"):
        assert advice in raised.value.hint
    assert list(small.steps()) == ["step-000000008", "step-000000016"]
    record = small.found.read_record()
    assert (record.status, record.reason) == ("failed", raised.value.what)
    assert len(small.found.read_metrics()) == 2
    assert "loss" in evaluate(small.found.path)["test"].scores


def test_training_can_go_on_from_the_last_good_checkpoint(small: Any) -> None:
    small.on(EpochDone, lambda _: spoil(named(small.model, "kernel"), float("nan")), epoch=2)
    with pytest.raises(RunError):
        small.train()
    assert resume(small.found.path).record["status"] == "completed"


def test_a_variable_that_is_no_number_is_found_though_the_loss_is_one(small: Any) -> None:
    small.on(EpochDone, lambda _: spoil(named(small.model, "moving_mean"), float("nan")), epoch=2)
    with pytest.raises(RunError, match=r"the variable model/\S*moving_mean is NaN or infinite after step 24"):
        small.train("model.batch_normalization=true", "dataset.validation=0", "training.batch_size=18")
    assert list(small.steps()) == ["step-000000008", "step-000000016"]


def test_relu_hides_a_kernel_that_is_no_number_from_the_loss_and_it_is_found_all_the_same(small: Any) -> None:
    small.on(EpochDone, lambda _: spoil(named(small.model, "kernel"), float("nan")), epoch=2)
    with pytest.raises(RunError, match=r"the variable model/\S*kernel is NaN or infinite after step 24"):
        small.train()
    assert list(small.steps()) == ["step-000000008", "step-000000016"]


def test_a_validation_loss_that_is_no_number_is_told_as_that(small: Any) -> None:
    small.on(EpochDone, lambda _: spoil(named(small.model, "moving_mean"), float("nan")), epoch=2)
    with pytest.raises(RunError, match=r"the val_loss became nan after step 24 \(epoch 3\)"):
        small.train("model.batch_normalization=true")
    assert list(small.steps()) == ["step-000000008", "step-000000016"]
    assert [row["epoch"] for row in small.found.read_metrics()] == [1, 2]


@pytest.mark.parametrize(("batch_size", "hint"), [(16, "--set training.batch_size=8"), (1, "smaller model")])
def test_memory_that_runs_out_names_the_batch_size_and_the_next_smaller(small: Any, batch_size: int, hint: str) -> None:
    import tensorflow as tf

    def exhausted(*_: Any) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    small.on(TrainingStarted, lambda _: setattr(small.trainers[-1].job.steps, "_plain", exhausted))
    with pytest.raises(RunError, match=f"ran out of memory with a batch of {batch_size}\n") as raised:
        small.train(f"training.batch_size={batch_size}")
    assert hint in raised.value.hint


def test_memory_that_runs_out_in_validation_names_the_key_of_its_own(small: Any) -> None:
    import tensorflow as tf

    def exhausted(*_: Any) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    small.on(TrainingStarted, lambda _: setattr(small.trainers[-1].job.validation._steps, "_plain", exhausted))
    with pytest.raises(RunError, match="with a batch of 256") as raised:
        small.train()
    assert raised.value.hint == "--set training.evaluation_batch_size=128"


def test_an_operation_that_refuses_its_inputs_is_one_error(small: Any) -> None:
    import tensorflow as tf

    def refused(*_: Any) -> None:
        raise tf.errors.InvalidArgumentError(None, None, "indices[0] = 12 is not in [0, 10)\n\t [[node]]")

    small.on(EpochDone, lambda _: setattr(small.trainers[-1].job.steps, "_plain", refused), epoch=1)
    with pytest.raises(RunError, match=r"indices\[0\] = 12 is not in \[0, 10\)\n"):
        small.train()
    assert list(small.steps()) == ["step-000000008"]


def test_a_run_that_failed_leaves_a_record_that_other_programs_can_read(small: Any) -> None:
    small.on(EpochDone, lambda _: spoil(named(small.model, "kernel"), float("nan")), epoch=1)
    with pytest.raises(RunError):
        small.train()
    record = json.loads(small.found.run_json.read_text())
    assert (record["status"], record["result"]) == ("failed", {})
    assert record["finished"]
