"""Find a learning rate for a config, with range tests over several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dlrun.benchmark.process import Config, measured_by
from dlrun.benchmark.valley import RangeTest, RateSuggestion, suggest
from dlrun.errors import RunError, UsageError
from dlrun.spec.parse import override_list, read_config
from dlrun.training.progress.events import Listener, Note, silent

SEEDS = 3
_KEY = "optimizer.learning_rate"


@dataclass(frozen=True)
class RateFound:
    """A learning rate, and what it was found by.

    Args:
        own: The learning rate of the config.
        suggestion: The suggested one, or why there is none.
        tests: The range tests.
    """

    own: float
    suggestion: RateSuggestion
    tests: tuple[RangeTest, ...]

    @property
    def overrides(self) -> tuple[str, ...]:
        """What to give to `--set` to use it; nothing if there is no suggestion."""
        return () if self.suggestion.rate is None else (f"{_KEY}={self.suggestion.rate:g}",)

    def plain(self) -> dict[str, Any]:
        """Return the result in a form that JSON can hold."""
        tests = [{"seed": test.seed, "curve": [list(point) for point in test.curve]} for test in self.tests]
        return {"own": self.own, **asdict(self.suggestion), "set": list(self.overrides), "tests": tests}


def find_learning_rate(
    config: Config,
    *,
    overrides: str | Sequence[str] = (),
    seeds: int = SEEDS,
    trust_plugins: bool = False,
    listener: Listener = silent,
) -> RateFound:
    """Train a little with a learning rate that rises from 1e-7 to 10, and suggest one.

    Nothing of a run changes: it happens in a process of its own, without a run folder.

    Args:
        config: A YAML file, or a dict of the same keys.
        overrides: `key=value` each, as `--set` takes them.
        seeds: The number of range tests, each with other weights and another order of the examples.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere.
        listener: Called before the measurement.

    Raises:
        SpecError: The spec is wrong.
        DataError: The data is missing or wrong.
        UsageError: There is nothing to train.
        RunError: The measurement failed.
    """
    if seeds < 1:
        raise UsageError(f"{seeds} seeds", expected="at least 1")
    overrides = override_list(overrides)
    spec = read_config(config, overrides, trust_plugins=trust_plugins).spec
    if not spec.model.is_trainable:
        raise UsageError(f"a model of type {spec.model.type_name} has nothing to train", expected="another model")
    listener(Note("measuring", f"{seeds} range tests, learning rate 1e-7 to 10"))
    found = measured_by(
        "dlrun.benchmark.rate_sweep", config, overrides=overrides, seeds=seeds, trust_plugins=trust_plugins
    )
    if "error" in found:
        raise RunError(f"the range test failed: {found['error']}", hint="dlrun train tells more")
    tests = tuple(RangeTest(test["seed"], tuple(test["losses"])) for test in found["tests"])
    return RateFound(float(spec.optimizer.learning_rate), suggest(tests), tests)
