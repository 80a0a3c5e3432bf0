"""Store whether XLA makes a training step faster, in the user's cache folder, for the next run of the same step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from dlrun.runs.record import Choice
from dlrun.spec.types import Spec
from dlrun.system.cache import Cache

_STEPS = 3  # increase when steps are computed in another way, which makes earlier measurements useless
_FASTER = 0.95
"""XLA is used if a step takes less than this fraction of the time without it; smaller differences are noise."""


@dataclass(frozen=True)
class Measured:
    """The measured times of one training step.

    Args:
        plain_seconds: The time of one step without XLA.
        jit_seconds: The time of one step with XLA; None if XLA cannot compile it.
        compile_seconds: The time that XLA took to compile it.
    """

    plain_seconds: float
    jit_seconds: float | None
    compile_seconds: float

    def choice(self, steps: int) -> Choice:
        """Return whether XLA pays off in a run of `steps` steps, and why."""
        plain = f"{1e3 * self.plain_seconds:.2f} ms a step"
        if self.jit_seconds is None:
            return Choice(value="off", reason="XLA cannot compile this step")
        both = f"{1e3 * self.jit_seconds:.2f} ms a step with XLA, {plain} without"
        if self.jit_seconds > _FASTER * self.plain_seconds:
            return Choice(value="off", reason=both)
        if steps * (self.plain_seconds - self.jit_seconds) < self.compile_seconds:
            return Choice(value="off", reason=f"{both}, but the run is too short to make up for compiling")
        return Choice(value="on", reason=both)


def measurement_key(spec: Spec, environment: Mapping[str, str], *, features: object, target: object) -> str:
    """Return a digest of all that the times depend on: model, batch, augmentation, precision, device, versions.

    Args:
        spec: The spec, with the chosen values in place of `auto`.
        environment: The device, threads and versions, as `TrainingSetup.environment` returns them.
        features: The shape and kind of the model's input.
        target: What the model predicts.
    """
    plain = spec.plain()
    training = {name: plain["training"][name] for name in ("batch_size", "precision", "cpu_shares", "class_weight")}
    parts = {name: plain[name] for name in ("model", "optimizer", "loss", "metrics")}
    plugins = [sha256(Path(plugin).read_bytes()).hexdigest() for plugin in spec.plugins]
    parts["augmentation"] = plain["dataset"].get("augmentation")
    parts["steps"] = _STEPS
    key_parts = {
        **parts,
        **training,
        "environment": dict(environment),
        "data": f"{features} {target}",
        "plugins": plugins,
    }
    return sha256(json.dumps(key_parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def read_measured(key: str) -> Measured | None:
    """Return what an earlier run measured; None if there is nothing, or the file is damaged."""
    with suppress(TypeError):
        measured = Measured(**Cache("jit").get_value(key))
        if all(isinstance(value, float) and value >= 0 for value in asdict(measured).values() if value is not None):
            return measured
    return None


def has_measured(key: str) -> bool:
    """Return whether an earlier run has left a measurement, even if it is damaged."""
    return Cache("jit").has_value(key)


def write_measured(key: str, measured: Measured, *, what: str) -> None:
    """Store a measurement; if the folder is not writable, the next run has to measure again."""
    Cache("jit").put_value(key, asdict(measured), what=what)
