"""Fused optimizers give the same variables as Keras' optimizers after the same steps."""

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow


def trained(optimizer: Any, *, sparse: bool = False) -> list[Any]:
    """Return the variables of model and optimizer after five steps."""
    import keras
    import tensorflow as tf

    generator = np.random.default_rng(0)
    variables = [keras.Variable(generator.normal(size=shape).astype(np.float32)) for shape in ((6, 3), (3,))]
    optimizer.build(variables)

    @tf.function  # type: ignore[untyped-decorator, unused-ignore]
    def step(number: Any) -> None:
        with tf.GradientTape() as tape:
            rows = tf.gather(variables[0].value, [0, 2, 2]) if sparse else variables[0].value
            loss = tf.reduce_sum(tf.sin(rows * number) + variables[1].value ** 2)
        optimizer.apply_gradients(zip(tape.gradient(loss, [v.value for v in variables]), variables, strict=True))

    for number in range(5):
        step(tf.constant(float(number)))
    return [np.asarray(variable) for variable in (*variables, *optimizer.variables)]


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "embedding"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Adam", {}),
        ("Adam", {"amsgrad": True}),
        ("Adam", {"clipnorm": 0.1, "use_ema": True}),
        ("AdamW", {"weight_decay": 0.1}),
        ("SGD", {}),
        ("SGD", {"momentum": 0.9}),
        ("SGD", {"momentum": 0.9, "nesterov": True}),
        ("SGD", {"momentum": 0.9, "gradient_accumulation_steps": 2}),
    ],
    ids=str,
)
def test_a_fused_optimizer_gives_the_variables_of_keras(name: str, options: dict[str, Any], *, sparse: bool) -> None:
    import keras

    from dlrun.training.step.fused_optimizers import fuse

    kind = getattr(keras.optimizers, name)
    ours = fuse(kind(learning_rate=0.05, **options))
    assert type(ours) is not kind
    for found, expected in zip(
        trained(ours, sparse=sparse), trained(kind(learning_rate=0.05, **options), sparse=sparse), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


def test_a_schedule_and_a_scaled_loss_reach_a_fused_optimizer() -> None:
    import keras

    from dlrun.training.step.fused_optimizers import fuse

    def make() -> Any:
        return keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5))

    expected = trained(keras.optimizers.LossScaleOptimizer(make()))
    found = trained(keras.optimizers.LossScaleOptimizer(fuse(make())))
    for own, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(own, theirs, rtol=2e-5, atol=1e-6)


def test_an_optimizer_without_a_fused_kernel_is_unchanged() -> None:
    import keras

    from dlrun.training.step.fused_optimizers import fuse

    assert type(fuse(keras.optimizers.Nadam())) is keras.optimizers.Nadam
