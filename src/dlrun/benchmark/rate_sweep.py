"""Train with a learning rate that rises from step to step, in a process of its own, and answer with the losses.

echo '{"config": "x.yaml", "overrides": [], "seeds": 3}' | python -P -m dlrun.benchmark.rate_sweep 3 3>answer
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from dlrun.benchmark.process import answer_of
from dlrun.benchmark.valley import DIVERGED, rates, smoothed
from dlrun.errors import DlrunError, UsageError
from dlrun.spec.parse import read_config
from dlrun.system.interpreter import answer, taken_over
from dlrun.training.failures import step_failures
from dlrun.training.progress.events import silent
from dlrun.training.setup import TrainingSetup, assemble
from dlrun.training.start.every_start import start_from_training_split
from dlrun.training.step.feed import epoch_order
from dlrun.training.step.steps import StepRunner

_OWN = ("schedule=constant", "training.jit=off", "training.early_stopping=null")


def sweep(
    config: str | Mapping[str, Any], overrides: tuple[str, ...], *, seeds: int, trust_plugins: bool = False
) -> dict[str, Any]:
    """Run one range test for each of several seeds.

    Returns:
        `tests`, the seed and the losses of each.

    Raises:
        UsageError: The optimizer cannot have another learning rate, or the model has none.
    """
    first = read_config(config, (*overrides, *_OWN), trust_plugins=trust_plugins).first_fold().spec.seed
    tests = []
    for seed in range(first, first + seeds):
        file = read_config(config, (*overrides, *_OWN, f"seed={seed}"), trust_plugins=trust_plugins).first_fold()
        setup = assemble(file, listener=silent)
        for _ in start_from_training_split(setup):
            pass
        tests.append({"seed": seed, "losses": list(_losses(setup))})
    return {"tests": tests}


def _losses(setup: TrainingSetup) -> Iterator[float]:
    """Yield the loss of each step, until it is not finite or far above the smallest one."""
    model, training = setup.compiled.model, setup.spec.training
    if not model.trainable_variables:
        raise UsageError("the model has nothing to train", expected="a model with weights that change")
    steps = setup.choose_steps().steps
    found: list[float] = []
    batches = _batches(steps, setup)
    with step_failures("training.batch_size", training.batch_size):
        for rate in rates():
            model.optimizer.learning_rate = rate
            loss = 0.0
            for _ in range(setup.compiled.steps_per_update):
                model.reset_metrics()
                step_range, index = next(batches)
                steps(step_range, index, 1)
                loss += float(model.get_metrics_result()["loss"]) / setup.compiled.steps_per_update
            if not math.isfinite(loss):
                return
            found.append(loss)
            yield loss
            means = smoothed(found)
            if means[-1] > min(means) + (DIVERGED - 1) * abs(min(means)):
                return


def _batches(steps: StepRunner, setup: TrainingSetup) -> Iterator[tuple[Any, int]]:
    """Yield one whole batch after another, in the order in which the run would train on them."""
    training, examples = setup.spec.training, steps.feed.examples
    whole = examples // training.batch_size
    epoch = 0
    while True:
        order = epoch_order(examples, seed=setup.spec.seed, epoch=epoch, shuffle=training.shuffle)
        for step_range in steps.feed.step_ranges(order, batch_size=training.batch_size, last_step=whole, epoch=epoch):
            for index in range(step_range.first_step, step_range.last_step):
                yield step_range, index
        epoch += 1


def main() -> None:
    """Read what to sweep from standard input, and answer with the losses or the error as one line of JSON."""
    pipe = taken_over(sys.argv[1])
    asked = json.load(sys.stdin)
    try:
        found = sweep(
            asked["config"],
            tuple(asked["overrides"]),
            seeds=asked["seeds"],
            trust_plugins=asked.get("trust_plugins", False),
        )
    except DlrunError as error:
        found = answer_of(error)
    answer(pipe, found)


if __name__ == "__main__":
    main()
