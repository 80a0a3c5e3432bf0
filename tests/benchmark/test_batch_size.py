"""Which batch sizes are measured, which is proposed, and how the learning rate follows."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dlrun.benchmark.batch_size import SizeMeasured, measure_sizes, propose, scaled_rate
from dlrun.errors import RunError
from dlrun.spec.types import Spec

MIB = 2**20


def spec(*, optimizer: str = "adam", batch_size: int = 32) -> Spec:
    made = SimpleNamespace(
        optimizer=SimpleNamespace(type_name=optimizer, learning_rate=0.01),
        training=SimpleNamespace(batch_size=batch_size),
    )
    return cast("Spec", made)


def machine(*, fastest: int, fails: int = 10**9, per_example: int = 1000) -> Callable[[int], SizeMeasured]:
    """Return a measurement of a machine whose throughput grows until a batch size."""

    def measure(size: int) -> SizeMeasured:
        if size >= fails:
            return SizeMeasured(size, error="out of memory")
        return SizeMeasured(size, 100.0 * min(size, fastest), 100 * MIB + size * per_example)

    return measure


def test_the_smallest_that_is_nearly_as_fast_as_the_best_is_proposed() -> None:
    measured, why = measure_sizes(machine(fastest=128), limit=2**40)
    assert [each.batch_size for each in measured] == [8, 16, 32, 64, 128, 256, 512]
    assert why == "larger ones are no faster"
    found = propose(measured, spec(), why=why)
    assert found.batch_size == 128
    assert found.overrides == ("training.batch_size=128", "optimizer.learning_rate=0.02")
    assert "with the square root of the batch" in found.scaling


def test_it_ends_where_a_batch_fails_and_proposes_one_that_did_not() -> None:
    measured, why = measure_sizes(machine(fastest=10**6, fails=64), limit=2**40)
    assert why == "a batch of 64 failed"
    assert propose(measured, spec(), why=why).batch_size == 32


def test_it_ends_before_the_memory_does() -> None:
    measured, why = measure_sizes(machine(fastest=10**6, per_example=MIB), limit=1000 * MIB)
    assert "most of the memory" in why
    assert measured[-1].batch_size == 512  # 612 MiB; the next one would have 1,124


def test_nothing_that_can_be_measured_is_an_error() -> None:
    with pytest.raises(RunError, match="out of memory"):
        propose([SizeMeasured(8, error="out of memory")], spec(), why="")


@pytest.mark.parametrize(
    ("optimizer", "size", "rate"), [("sgd", 128, 0.04), ("sgd", 8, 0.0025), ("adam", 128, 0.02), ("adamw", 8, 0.005)]
)
def test_the_rate_is_scaled_as_the_optimizer_needs_it(optimizer: str, size: int, rate: float) -> None:
    assert scaled_rate(spec(optimizer=optimizer), size)[0] == pytest.approx(rate)


def test_the_own_batch_size_changes_nothing() -> None:
    measured: Any = (SizeMeasured(32, 100.0, 1),)
    assert propose(measured, spec(), why="").overrides == ()
