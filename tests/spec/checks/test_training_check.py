"""Problems that prevent a training: durations beyond its end, weights without effect, contradictions."""

from pathlib import Path

import pytest

from dlrun.losses import losses
from dlrun.signature import Target
from dlrun.spec.checks.training_check import find_unreached
from dlrun.spec.parse import read_spec
from dlrun.spec.trust import Trust
from wine_spec import problems, write

STEPS = "training={batch_size: 10, steps: %d}"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("schedule={type: cosine, warmup_epochs: 4}",), "takes 4.0 epochs, but training has only 4"),
        (("schedule={type: cosine, warmup_epochs: 3}", STEPS % 30), "takes 3.0 epochs (36 steps)"),
        (("schedule={type: cosine, warmup_epochs: 2}", STEPS % 20), "takes 2.0 epochs (24 steps)"),
        (
            ("schedule={type: cosine_decay, decay_steps: 9, warmup_target: 0.1, warmup_steps: 50}", STEPS % 50),
            "50 steps",
        ),
        (("schedule={type: cosine_decay, decay_steps: 9, warmup_target: 0.1, warmup_steps: 900}",), "900 steps"),
        (("optimizer={type: schedule_free_adamw, warmup_steps: 30}", STEPS % 30), "30 steps"),
        (
            ("optimizer={type: sgd, gradient_accumulation_steps: 16}", STEPS % 15),
            "every 16 steps, but training has only 15",
        ),
        (("optimizer={type: adam, gradient_accumulation_steps: 900}",), "every 900 steps"),
        (("training.early_stopping={start_epoch: 5}",), "starts in epoch 5, but training has only 4"),
        (
            ("training={batch_size: 10, steps: 20, early_stopping: {start_epoch: 4}}",),
            "starts in epoch 4, but training has only 2",
        ),
    ],
)
def test_a_duration_beyond_the_end_of_training_is_an_error_in_epochs_and_in_steps(
    tmp_path: Path, overrides: tuple[str, ...], said: str
) -> None:
    (problem,) = problems(tmp_path, *overrides)
    assert said in problem.what
    assert "less than" in problem.expected or "at most" in problem.expected


@pytest.mark.parametrize(
    "overrides",
    [
        ("schedule={type: cosine, warmup_epochs: 3.5}",),
        ("schedule={type: cosine, warmup_epochs: 1}", STEPS % 100),
        ("optimizer={type: sgd, gradient_accumulation_steps: 15}", STEPS % 15),
        ("training.early_stopping={start_epoch: 4}",),
    ],
)
def test_a_duration_within_the_training_is_not_an_error(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    assert problems(tmp_path, *overrides) == []


def test_schedule_changes_after_the_end_of_training_are_reported(tmp_path: Path) -> None:
    def late(schedule: str) -> list[str]:
        spec = read_spec(write(tmp_path), (f"schedule={schedule}",)).spec
        return list(find_unreached(spec, steps_per_epoch=15, steps=60))

    (said,) = late("{type: step, every_epochs: 4}")
    assert said == "schedule.every_epochs is 4, but training ends after 4 epochs"
    (said,) = late("{type: piecewise_constant_decay, boundaries: [30, 60, 90], values: [0.1, 0.01, 0.001]}")
    assert "step 60, 90 is never reached" in said
    assert len(late("reduce_on_plateau")) == 1
    assert late("{type: step, every_epochs: 3}") == []


def test_two_metrics_for_one_best_epoch_contradict_each_other(tmp_path: Path) -> None:
    both = ("training.monitor=val_loss", "training.early_stopping={metric: val_accuracy, restore_best: %s}")
    (problem,) = problems(tmp_path, both[0], both[1] % "true")
    assert "by val_accuracy here but by val_loss in training.monitor" in problem.what
    assert problems(tmp_path, both[0], both[1] % "false") == []
    # A run that was trained before this was looked at can be evaluated.
    read_spec(write(tmp_path), (both[0], both[1] % "true"), trust=Trust(trains=False))


@pytest.mark.tensorflow
def test_every_other_loss_has_a_value_for_each_example() -> None:
    """So that class weights do balance: the loss of 3 examples is 3 numbers, before their mean is taken."""
    import numpy as np

    for name in losses.names():
        kind = losses.find(name)
        if kind is None or name == "ctc":  # which takes a sequence of labels for each example
            continue
        of_classes = kind.takes.classes is not None
        given = Target("classes" if of_classes else "values", 2 if kind.takes.classes in ("binary", None) else 4)
        if not kind.accepts(given):  # a loss of masks alone
            given = Target("mask", 4)
        loss, settled = kind(), kind().settle(given)
        if given.kind == "mask":
            masks = np.full((3, 5, 5, 4), 0.25, "float32")
            assert loss.build(settled).call(masks, masks).shape == (3,), name
            continue
        is_index = settled.encoding == "index"
        width = settled.size if settled.levels else settled.units  # several outputs for a value, not several values
        truth = np.array([0, 1, 1]) if is_index else np.eye(width, dtype="float32")[[0, -1, -1]]
        values = loss.build(settled).call(truth, np.full((3, settled.units), 0.3, "float32"))
        assert (values.shape == ()) == loss.is_of_batch, name
