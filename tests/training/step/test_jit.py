"""The choice of XLA: measured times decide, the trial changes nothing in the model, and short runs skip it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.spec.parse import read_spec
from dlrun.system.seals import seal
from dlrun.training.progress.events import silent

pytestmark = pytest.mark.tensorflow

TEXT = """\
dataset: {type: builtin, name: digits}
model: {type: mlp, units: [8], dropout: 0.1}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 64, epochs: %s}
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DLRUN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "jit"


def setup(tmp_path: Path, *overrides: str, epochs: int = 1_000_000) -> Any:
    from dlrun.training.setup import assemble

    path = tmp_path / "x.yaml"
    path.write_text(TEXT % epochs)
    return assemble(read_spec(path, overrides), listener=silent)


@pytest.mark.parametrize(
    ("plain", "jit", "compile_seconds", "steps", "value", "reason"),
    [
        (0.002, 0.001, 1.0, 10_000, "on", "1.00 ms a step with XLA, 2.00 ms a step without"),
        (0.001, 0.002, 1.0, 10_000, "off", "2.00 ms a step with XLA, 1.00 ms a step without"),
        (0.002, 0.001, 1.0, 500, "off", "the run is too short to make up for compiling"),
        (0.001, 0.00099, 1.0, 10_000_000, "off", "with XLA"),
        (0.001, None, 1.0, 10_000, "off", "XLA cannot compile this step"),
    ],
)
def test_the_measured_times_and_the_length_of_the_run_decide(
    plain: float, jit: float | None, compile_seconds: float, steps: int, value: str, reason: str
) -> None:
    from dlrun.training.devices.jit_cache import Measured

    choice = Measured(plain, jit, compile_seconds).choice(steps)
    assert choice.value == value
    assert reason in choice.reason


def test_trying_xla_changes_no_variable_and_is_cached(tmp_path: Path, cache: Path) -> None:
    from dlrun.training.variables import read_arrays

    made = setup(tmp_path)
    before = {name: array.copy() for name, array in read_arrays(made.compiled.model).items()}
    choice = made.choose_steps().jit
    for name, array in read_arrays(made.compiled.model).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    assert "ms a step with XLA" in choice.reason
    (file,) = cache.iterdir()
    value = {"plain_seconds": 2.0, "jit_seconds": 1.0, "compile_seconds": 0.1}
    file.write_bytes(seal({"what": "", "value": value}))
    again = setup(tmp_path).choose_steps().jit
    assert again.value == "on"
    assert "measured in an earlier run" in again.reason


UNSEALED = '{"plain_seconds": 2.0, "jit_seconds": 1.0, "compile_seconds": 0.1}'


@pytest.mark.parametrize("content", ["", "[]", '{"plain_seconds": "a"}', "{}", UNSEALED])
def test_a_damaged_cache_entry_counts_as_missing(cache: Path, content: str) -> None:
    from dlrun.training.devices.jit_cache import read_measured

    cache.mkdir(parents=True)
    (cache / f"{'k' * 32}.json").write_text(content)
    assert read_measured("k" * 32) is None


def test_a_short_run_does_not_try(tmp_path: Path, cache: Path) -> None:
    choice = setup(tmp_path, epochs=2).choose_steps().jit
    assert choice.value == "off"
    assert "too short" in choice.reason
    assert not cache.exists()


def test_a_shorter_run_tries_xla_for_dense_models(tmp_path: Path) -> None:
    from dlrun.training.step import jit

    noise = "{type: sequential, layers: [Flatten, {GaussianNoise: {stddev: 0.1}}, {Dense: {units: 10}}]}"
    dense, other = (setup(tmp_path, *overrides) for overrides in ((), (f"model={noise}",)))
    for made, part in ((dense, jit.LARGEST_PART_OF_DENSE), (other, jit.LARGEST_PART)):
        step_seconds = 1e6 / made.length.steps
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(jit, "_enough_steps", lambda *_, seconds=step_seconds: (1, seconds))
            # What trying may cost is then either just more or just less than what it is expected to.
            for factor, tries in ((1.02, False), (0.98, True)):
                patch.setattr(jit, "expected_compile_seconds", lambda _, seconds=factor * part * 1e6: seconds)
                reason = made.choose_steps().jit.reason
                assert ("too short" not in reason) == tries, (part, factor, reason)


def test_a_step_that_xla_cannot_compile_trains_without_xla(tmp_path: Path) -> None:
    layers = "[{RandomTranslation: {height_factor: 0.1, width_factor: 0.1}}, Flatten, {Dense: {units: 10}}]"
    chosen = setup(tmp_path, f"model={{type: sequential, layers: {layers}}}").choose_steps()
    assert (chosen.jit.value, chosen.jit.reason) == ("off", "XLA cannot compile this step")


@pytest.mark.parametrize(
    "override", ["training.batch_size=32", "training.precision=bfloat16", "model.units=[9]", "optimizer=sgd"]
)
def test_another_model_batch_size_or_precision_is_measured_again(tmp_path: Path, override: str) -> None:
    from dlrun.training.devices.jit_cache import measurement_key

    specs = [setup(tmp_path, *overrides).spec_with_choices() for overrides in ((), (override,))]
    keys = [measurement_key(spec, {}, features=None, target=None) for spec in specs]
    assert keys[0] != keys[1]
    other_device = measurement_key(specs[0], {"device": "gpu"}, features=None, target=None)
    assert other_device != keys[0]
