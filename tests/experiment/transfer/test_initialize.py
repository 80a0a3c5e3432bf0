"""Runs that start from the weights of another one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import UsageError
from dlrun.experiment.reproduce import reproduce
from dlrun.experiment.resume import resume
from dlrun.experiment.train import train

pytestmark = pytest.mark.tensorflow


def spec(**keys: Any) -> dict[str, Any]:
    return {
        "name": "digits",
        "dataset": {"type": "builtin", "name": "digits", "validation": 0.1},
        "model": {"type": "mlp", "units": [6]},
        "optimizer": {"type": "sgd", "learning_rate": 0.1},
        "loss": "sparse_categorical_crossentropy",
        "training": {"batch_size": 256, "epochs": 1, "report": False, "tensorboard": False, "jit": "off"},
        **keys,
    }


def test_a_run_begins_with_what_another_ended_with_and_records_it(tmp_path: Path) -> None:
    from dlrun.spec.transfer.initialize import Initialize
    from dlrun.training.transfer.parent import read_parent
    from dlrun.training.transfer.takeover import plan_takeover

    parent = train(spec(), runs_dir=tmp_path).record
    hardly = {"type": "sgd", "learning_rate": 1e-30}
    child = train(spec(optimizer=hardly, initialize=parent["id"]), runs_dir=tmp_path).record
    assert child["weights_sha256"] == parent["weights_sha256"]
    (start,) = child["initialization"]
    assert (start["place"], start["sha256"]) == (parent["id"], parent["weights_sha256"])
    assert start["taken"] == ["dense_1/kernel", "dense_1/bias", "head/kernel", "head/bias"]

    found = read_parent(parent["id"], runs_dir=tmp_path)
    model, target = found.spec.model, found.interface.target
    core = model.build(found.interface.features, target)
    before = [variable.numpy() for variable in core.weights]
    others = replace(found.interface, target=replace(target, class_names=tuple("abcdefghij")))
    plan = plan_takeover(core, model, Initialize(run="a"), found, others)
    assert dict.fromkeys(("head/kernel", "head/bias"), "the classes differ") == plan.left
    wider = model.model_copy(update={"units": (7,)}).build(found.interface.features, target)
    plan = plan_takeover(wider, model, Initialize(run="a"), found, found.interface)
    assert plan.left["dense_1/kernel"] == "its shape is 64x7 instead of 64x6"
    assert list(plan.taken) == ["head/bias"]
    with pytest.raises(UsageError, match="no variable of the model has the name and the shape"):
        plan_takeover(core, model, Initialize(run="a", layers="conv.*"), found, found.interface)
    for variable, value in zip(core.weights, before, strict=True):  # comparing assigns nothing
        np.testing.assert_array_equal(variable, value)


def test_a_run_that_is_not_there_is_told_before_a_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no run nowhere to start from"):
        train(spec(initialize={"run": "nowhere"}), runs_dir=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.soak
def test_what_became_of_the_other_run_is_told_at_resume_and_at_reproduction(tmp_path: Path) -> None:
    parent = train(spec(), runs_dir=tmp_path).record["id"]
    child = train(spec(initialize=parent), runs_dir=tmp_path).record["id"]
    assert reproduce(child, runs_dir=tmp_path).identical
    resume(parent, overrides="training.epochs=2", runs_dir=tmp_path)
    again = reproduce(child, runs_dir=tmp_path)
    assert not again.identical
    assert again.parents == (f"the run {parent}, from which it started, has been trained since",)
    told: list[str] = []
    (tmp_path / parent).rename(tmp_path.parent / f"{tmp_path.name}-removed")
    resume(child, overrides="training.epochs=2", runs_dir=tmp_path, listener=lambda event: told.append(str(event)))
    assert any("is no longer in" in text for text in told)
    with pytest.raises(UsageError, match="it was removed, or is somewhere else"):
        reproduce(child, runs_dir=tmp_path)
