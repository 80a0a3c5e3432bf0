"""The precision that is chosen, what 16 bits cost in the score, overflows under loss scaling, and XLA."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean, stdev
from typing import Any

from dlrun.errors import DlrunError
from dlrun.gpu_check.check import CheckPlace, CheckVerdict, Found
from dlrun.gpu_check.program import DIGITS, train_here

_SEEDS = 3
_LEAST_NOISE = 0.005
"""Accuracy on 359 test examples: a difference of two examples is never more than noise."""
_DEVIATIONS = 3
_MOST_STEPS = 60
_SAME_SCORE = 0.03
"""XLA rounds differently, so that the accuracy on 359 examples differs by a few of them."""


def measure_auto(place: CheckPlace) -> Found:
    """Let dlrun choose the precision of a small convolutional network."""
    from dlrun.spec.parse import read_config
    from dlrun.training.progress.events import silent
    from dlrun.training.setup import assemble

    file = read_config(dict(DIGITS), (f"training.device={place.device}",), trust_plugins=False).first_fold()
    setup = assemble(file, listener=silent)
    precision = setup.compiled.precision
    capability = setup.device.compute_capability
    return {
        "device": place.device,
        "capability": list(capability) if capability else None,
        "precision": precision.value,
        "reason": precision.reason,
    }


def judge_auto(found: Found) -> CheckVerdict:
    """Pass if a GPU got the precision of its generation: bfloat16 from Ampere on, float16 on Volta and Turing."""
    text = f"{found['precision']}: {found['reason']}"
    if found["device"] == "cpu":
        return CheckVerdict("ok", text)
    if not found["capability"]:
        return CheckVerdict("failed", f"TensorFlow does not tell the compute capability, so it is {text}")
    capability = tuple(found["capability"])
    wanted = "bfloat16" if capability >= (8, 0) else "float16" if capability >= (7, 0) else "float32"
    problems = [] if found["precision"] == wanted else [f"{text}, but capability {capability} has {wanted}"]
    return CheckVerdict.of(problems, text)


def measure_scores(place: CheckPlace) -> Found:
    """Train the same network in each precision, with several seeds."""
    found: dict[str, Any] = {"device": place.device}
    for precision in ("float32", "bfloat16", "float16"):
        if precision == "float16" and place.is_rehearsal:
            continue
        seeds = 2 if place.is_rehearsal else _SEEDS
        overrides = (f"training.precision={precision}", "training.jit=off")
        records = [train_here(place, DIGITS, f"seed={seed}", *overrides) for seed in range(seeds)]
        found[precision] = [record["result"]["test"]["accuracy"] for record in records]
    return found


def judge_scores(found: Found) -> CheckVerdict:
    """Pass if the mean accuracy in 16 bits is that in float32 within its noise, three deviations of the mean."""
    reference = found["float32"]
    noise = max(_LEAST_NOISE, _DEVIATIONS * stdev(reference) * (2 / len(reference)) ** 0.5)
    wanted = ["bfloat16"] if found["device"] == "cpu" else ["bfloat16", "float16"]
    problems = [
        f"{precision} reaches {mean(found[precision]):.4f}, float32 {mean(reference):.4f} +- {noise:.4f}"
        for precision in wanted
        if mean(found[precision]) < mean(reference) - noise
    ]
    scores = ", ".join(f"{precision} {mean(found[precision]):.4f}" for precision in ("float32", *wanted))
    text = f"accuracy {scores}, noise {noise:.4f}"
    return CheckVerdict.of(problems, text if len(wanted) > 1 else f"{text}; dlrun has no float16 on a CPU")


def measure_overflow(place: CheckPlace) -> Found:
    """Train in float16 from a loss scale that overflows, with dlrun's own update of the weights."""
    import keras
    import numpy as np
    import tensorflow as tf

    from dlrun.training.devices.device import choose_device, dtype_policy
    from dlrun.training.step.fused_optimizers import fuse

    device = choose_device(place.device)
    keras.utils.set_random_seed(0)
    with tf.device(device.names[0]):
        with dtype_policy("float16"):
            hidden = keras.layers.Dense(16, activation="relu")
            model = keras.Sequential([keras.Input((8,)), hidden, keras.layers.Dense(3, dtype="float32")])
        optimizer = keras.optimizers.LossScaleOptimizer(fuse(keras.optimizers.Adam(0.01)), initial_scale=2.0**40)
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
        optimizer.build(model.trainable_variables)
    generator = np.random.default_rng(0)
    batch = (generator.normal(size=(32, 8)).astype(np.float32), np.arange(32) % 3)
    before = [weight.numpy() for weight in model.trainable_weights]
    step = tf.function(lambda: model.train_step(batch))
    skipped = 0
    for _ in range(_MOST_STEPS):
        step()
        if not int(optimizer.iterations.numpy()):
            skipped += 1
    after = [weight.numpy() for weight in model.trainable_weights]
    return {
        "skipped": skipped,
        "updates": int(optimizer.iterations.numpy()),
        "scale": float(optimizer.dynamic_scale.numpy()),
        "finite": all(bool(np.isfinite(weight).all()) for weight in after),
        "changed": any(bool((a != b).any()) for a, b in zip(before, after, strict=True)),
    }


def judge_overflow(found: Found) -> CheckVerdict:
    """Pass if steps with an overflow were skipped, and then the weights changed and are finite."""
    problems = []
    if not found["skipped"]:
        problems.append("a loss scale of 2^40 did not overflow")
    if not found["finite"]:
        problems.append("the weights are not finite")
    if not found["updates"] or not found["changed"]:
        problems.append(f"the weights did not change after {found['skipped']} skipped steps")
    scale = f"{found['scale']:,.0f}"
    text = f"{found['skipped']} steps skipped, then {found['updates']} updates at a loss scale of {scale}"
    return CheckVerdict.of(problems, text)


def measure_xla(place: CheckPlace) -> Found:
    """Train a dense and a recurrent network, on a GPU a convolutional one too, with XLA and without."""
    models: dict[str, Mapping[str, Any]] = {
        "mlp": {"type": "mlp", "units": [64]},
        "lstm": {"type": "lstm", "units": [32]},
    }
    if not place.is_rehearsal:
        models["cnn"] = DIGITS["model"]
    found: dict[str, Any] = {"scores": {}, "speed": {}, "errors": {}}
    for name, model in models.items():
        for jit in ("off", "on", "auto"):
            config = {**DIGITS, "name": f"{name}_{jit}", "model": model}
            try:
                record = train_here(place, config, f"training.jit={jit}", "training.precision=float32")
            except DlrunError as error:
                found["errors"][f"{name}, XLA {jit}"] = error.what
                continue
            found["scores"][f"{name}/{jit}"] = record["result"]["test"]["accuracy"]
            found["speed"][f"{name}/{jit}"] = record["throughput"]
            if jit == "auto":
                found[name] = f"{record['jit']['value']} ({record['jit']['reason']})"
    found["models"] = list(models)
    return found


def judge_xla(found: Found) -> CheckVerdict:
    """Pass if each network trains both ways, and to the same accuracy up to rounding."""
    problems, texts = [f"{name}: {reason}" for name, reason in found["errors"].items()], []
    for model in found["models"] if not problems else ():
        off, on = (found["scores"][f"{model}/{jit}"] for jit in ("off", "on"))
        if abs(on - off) > _SAME_SCORE:
            problems.append(f"{model} reaches {on:.4f} with XLA and {off:.4f} without")
        speed = found["speed"][f"{model}/on"] / found["speed"][f"{model}/off"]
        texts.append(f"{model} {speed:.1f}x as fast with XLA; auto: {found[model]}")
    return CheckVerdict.of(problems, "; ".join(texts))
