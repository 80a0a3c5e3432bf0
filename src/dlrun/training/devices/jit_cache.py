"""Keep the times that trying XLA has measured for the next run, under everything that they depend on."""

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

_STEPS = 3  # counts up when steps are computed another way, so that what was measured before says nothing
_FASTER = 0.95
"""XLA is taken if its step takes less than this part of the plain step's time; closer ones are noise."""


@dataclass(frozen=True)
class Measured:
    """The measured times of a training step.

    Args:
        plain_seconds: Of one step without XLA.
        jit_seconds: Of one step with XLA; None if XLA cannot compile it.
        compile_seconds: What XLA took to compile it.
    """

    plain_seconds: float
    jit_seconds: float | None
    compile_seconds: float

    def choice(self, steps: int) -> Choice:
        """Return whether XLA is faster for a run of so many steps."""
        plain = f"{1e3 * self.plain_seconds:.2f} ms a step"
        if self.jit_seconds is None:
            return Choice(value="off", reason="XLA cannot compile this step")
        both = f"{1e3 * self.jit_seconds:.2f} ms a step with XLA, {plain} without"
        if self.jit_seconds > _FASTER * self.plain_seconds:
            return Choice(value="off", reason=both)
        if steps * (self.plain_seconds - self.jit_seconds) < self.compile_seconds:
            return Choice(value="off", reason=f"{both}, but the run is over before that makes up for compiling")
        return Choice(value="on", reason=both)


def measurement_key(spec: Spec, environment: Mapping[str, str], *, features: object, target: object) -> str:
    """Return a digest of all that the times depend on: model, batch, augmentation, precision, device, versions."""
    plain = spec.plain()
    training = {name: plain["training"][name] for name in ("batch_size", "precision", "cpu_shares", "class_weight")}
    parts = {name: plain[name] for name in ("model", "optimizer", "loss", "metrics")}
    plugins = [sha256(Path(plugin).read_bytes()).hexdigest() for plugin in spec.plugins]
    parts["augmentation"] = plain["dataset"].get("augmentation")
    parts["steps"] = _STEPS
    identity = {
        **parts,
        **training,
        "environment": dict(environment),
        "data": f"{features} {target}",
        "plugins": plugins,
    }
    return sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:32]


def read_measured(key: str) -> Measured | None:
    """Return what an earlier run measured; None if nothing, or if it is not what was written."""
    with suppress(TypeError):
        measured = Measured(**Cache("jit").get_value(key))
        if all(isinstance(value, float) and value >= 0 for value in asdict(measured).values() if value is not None):
            return measured
    return None


def has_measured(key: str) -> bool:
    """Return whether an earlier run measured this, even if its entry is damaged."""
    return Cache("jit").has_value(key)


def write_measured(key: str, measured: Measured, *, what: str) -> None:
    """Keep what was measured; without a folder to write to, the next run measures it again."""
    Cache("jit").put_value(key, asdict(measured), what=what)
