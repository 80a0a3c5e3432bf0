"""The compiled model has everything that its precision needs."""

from pathlib import Path

import pytest

from dlrun.spec.parse import read_config

pytestmark = pytest.mark.tensorflow

CONFIGS = Path(__file__).parents[2] / "configs"


def test_losses_are_scaled_in_float16_even_if_the_outermost_model_is_of_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import keras

    from dlrun.training.devices.device import Device
    from dlrun.training.progress.events import silent
    from dlrun.training.setup import assemble

    monkeypatch.setattr(Device, "is_gpu", True)
    overrides = ("training.precision=float16", "loss={type: quantile, quantiles: [0.1, 0.5, 0.9]}", "metrics=[]")
    file = read_config(CONFIGS / "diabetes_linear.yaml", overrides, trust_plugins=False).first_fold()
    setup = assemble(file, listener=silent)
    assert setup.compiled.model.dtype_policy.name == "float32"  # that of the layer that sorts the quantiles
    assert isinstance(setup.compiled.model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert not setup.is_exact  # a GPU without deterministic operations
