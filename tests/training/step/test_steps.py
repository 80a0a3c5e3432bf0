"""Calls of many steps."""

from pathlib import Path

import pytest

from dlrun.spec.parse import read_config

pytestmark = pytest.mark.tensorflow

CONFIGS = Path(__file__).parents[3] / "configs"


def test_a_call_on_a_gpu_ends_when_the_gpu_has_done_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    from dlrun.training.progress.events import silent
    from dlrun.training.setup import assemble
    from dlrun.training.step.feed import Feed, epoch_order

    waits: list[str] = []
    monkeypatch.setattr(tf.test.experimental, "sync_devices", lambda: waits.append("waited"))
    file = read_config(CONFIGS / "digits_mlp.yaml", ("training.jit=off",), trust_plugins=False).first_fold()
    for is_on_gpu in (False, True):
        monkeypatch.setattr(Feed, "is_on_gpu", is_on_gpu)
        steps = assemble(file, listener=silent).choose_steps().steps
        order = epoch_order(steps.feed.examples, seed=0, epoch=0, shuffle=False)
        (step_range,) = steps.feed.step_ranges(order, batch_size=steps.batch_size, last_step=2)
        assert steps(step_range, 0, 2) == 2
        assert bool(waits) == is_on_gpu
