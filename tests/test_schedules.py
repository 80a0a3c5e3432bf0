import math
from dataclasses import asdict
from typing import Any

import pytest
from pydantic import ValidationError

from dlrun.schedules import PlateauState, ReduceOnPlateau, Schedule, plateau_step, schedules

PEAK, N, T = 0.5, 20, 200
STEPS = (0, 1, 7, 19, 20, 21, 39, 40, 59, 60, 61, 100, 150, 199, 200, 500)


def made(name: str, /, **arguments: Any) -> Schedule:
    found = schedules.find(name)
    assert found is not None
    return found(**arguments)


def _step(t: int) -> float:
    return PEAK * math.pow(0.5, t // 30)


def _exponential(t: int) -> float:
    return PEAK * math.pow(0.9, t / N)


def _cosine(t: int) -> float:
    warmup, start, final = 40, 0.2, 0.05
    if t < warmup:
        return PEAK * (start + (1 - start) * t / warmup)
    done = min(1.0, (t - warmup) / (T - warmup))
    return PEAK * (final + (1 - final) * (1 + math.cos(math.pi * done)) / 2)


def _one_cycle(t: int, *, linear: bool = False) -> float:
    def eased(u: float) -> float:
        u = min(max(u, 0.0), 1.0)
        return u if linear else (1 - math.cos(math.pi * u)) / 2

    peak, start, final = 0.25 * T, 0.1, 0.01
    if t < peak:
        return PEAK * (start + (1 - start) * eased(t / peak))
    return PEAK * (1 + (final - 1) * eased((t - peak) / (T - peak)))


def _coslog(t: int) -> float:
    cycle = math.log2(1 + 7 * min(1.0, t / T))
    return PEAK * (1 - math.cos(2 * math.pi * cycle)) / 2


def _flat_cos(t: int) -> float:
    return PEAK * (1 + math.cos(math.pi * max(0.0, min(1.0, t / T) - 0.6) / 0.4)) / 2


FORMULAS = [
    (made("coslog", cycles=3), _coslog),
    (made("flat_cos", flat_fraction=0.6), _flat_cos),
    (made("step", factor=0.5, every_epochs=1.5), _step),
    (made("exponential", rate=0.9), _exponential),
    (made("cosine", warmup_epochs=2, start_fraction=0.2, final_fraction=0.05), _cosine),
    (made("one_cycle", start_fraction=0.1, peak_at=0.25, final_fraction=0.01), _one_cycle),
    (
        made("one_cycle", start_fraction=0.1, peak_at=0.25, final_fraction=0.01, shape="linear"),
        lambda t: _one_cycle(t, linear=True),
    ),
    (made("exponential_decay", decay_steps=10, decay_rate=0.9), lambda t: PEAK * 0.9 ** (t / 10)),
    (made("inverse_time_decay", decay_steps=10, decay_rate=0.9), lambda t: PEAK / (1 + 0.9 * t / 10)),
    (
        made("piecewise_constant_decay", boundaries=(20, 60), values=(0.1, 0.01)),
        lambda t: PEAK if t <= 20 else 0.1 if t <= 60 else 0.01,
    ),
    (
        made("cosine_decay", decay_steps=100, alpha=0.1),
        lambda t: PEAK * (0.1 + 0.9 * (1 + math.cos(math.pi * min(1, t / 100))) / 2),
    ),
    (
        made("polynomial_decay", decay_steps=100, end_learning_rate=0.1, power=2.0),
        lambda t: 0.1 + (PEAK - 0.1) * (1 - min(1, t / 100)) ** 2,
    ),
]


@pytest.mark.tensorflow
@pytest.mark.parametrize("jit", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize(("schedule", "formula"), FORMULAS, ids=lambda part: getattr(part, "type_name", ""))
def test_a_schedule_matches_its_formula_at_every_step(schedule: Schedule, formula: Any, *, jit: bool) -> None:
    import tensorflow as tf

    built = schedule.build(PEAK, steps_per_epoch=N, total_steps=T)
    compiled = tf.function(built.__call__, jit_compile=jit)
    for step in STEPS:
        found = compiled(tf.constant(step, tf.int64))
        assert found.dtype == tf.float32
        assert float(found) == pytest.approx(formula(step), rel=2e-5, abs=1e-7), step


@pytest.mark.tensorflow
def test_a_step_never_drops_one_step_too_early_or_too_late() -> None:
    built = made("step", factor=0.5, every_epochs=1).build(1.0, steps_per_epoch=469, total_steps=10)
    for drops in (1, 7, 100):
        assert (float(built(469 * drops - 1)), float(built(469 * drops))) == (0.5 ** (drops - 1), 0.5**drops)


@pytest.mark.tensorflow
def test_an_optimizer_follows_a_schedule_and_can_be_compiled() -> None:
    import keras

    built = made("exponential", rate=0.5).build(1.0, steps_per_epoch=1, total_steps=3)
    optimizer = keras.optimizers.SGD(built)
    variable = keras.Variable([0.0])
    for _ in range(3):
        optimizer.apply([keras.ops.ones((1,))], [variable])
    assert float(variable.numpy()[0]) == pytest.approx(-1.75)
    assert built.get_config()["type"] == "exponential"


def test_constant_and_plateau_start_from_the_plain_learning_rate() -> None:
    for name in ("constant", "reduce_on_plateau"):
        assert made(name).build(0.25, steps_per_epoch=5, total_steps=10) == 0.25


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("step", {"factor": 1.0}),
        ("step", {"every_epochs": 0}),
        ("cosine", {"warmup_epochs": -1}),
        ("one_cycle", {"peak_at": 1.0}),
        ("reduce_on_plateau", {"patience_epochs": 0}),
        ("exponential_decay", {"decay_rate": 0.5}),
        ("exponential_decay", {"decay_rate": 0.5, "decay_steps": 0}),
        ("cosine_decay", {"initial_learning_rate": 0.1, "decay_steps": 5}),
    ],
)
def test_wrong_arguments_are_refused(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        made(name, **arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "path"),
    [
        ("piecewise_constant_decay", {"boundaries": (5, 3), "values": (0.1, 0.2)}, ("boundaries",)),
        ("piecewise_constant_decay", {"boundaries": (3, 5), "values": (0.1, 0.2, 0.3)}, ("values",)),
        ("cosine_decay", {"decay_steps": 5, "warmup_steps": 3}, ("warmup_steps",)),
    ],
)
def test_keys_that_do_not_fit_together_are_problems(name: str, arguments: dict[str, Any], path: tuple[str]) -> None:
    assert [problem.path for problem in made(name, **arguments).problems()] == [path]


def test_a_plateau_state_is_json_serializable() -> None:
    assert PlateauState(**asdict(PlateauState(0.1, best=1.0, wait=2, cooldown=3))).wait == 2


def test_a_nan_score_is_not_an_improvement() -> None:
    schedule = ReduceOnPlateau(patience_epochs=2)
    state = plateau_step(schedule, PlateauState(1.0), math.nan, larger_is_better=False)
    state = plateau_step(schedule, state, 5.0, larger_is_better=False)
    assert (state.best, state.learning_rate) == (5.0, 1.0)


SCORES = {
    "falls, stalls, falls": [5, 4, 4, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3],
    "rises": [1, 2, 3, 4, 5, 6, 7, 8, 9],
    "small steps": [1, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5],
    "one value": [1.0] * 20,
}


@pytest.mark.tensorflow
@pytest.mark.parametrize("larger_is_better", [False, True])
@pytest.mark.parametrize("scores", SCORES.values(), ids=SCORES.keys())
@pytest.mark.parametrize("patience", [1, 2, 3])
@pytest.mark.parametrize("cooldown", [0, 2])
def test_plateau_reductions_match_keras(
    scores: list[float], patience: int, cooldown: int, *, larger_is_better: bool
) -> None:
    import keras

    callback = keras.callbacks.ReduceLROnPlateau(
        "score", factor=0.5, patience=patience, cooldown=cooldown, min_delta=0.06, min_lr=0.03125,
        mode="max" if larger_is_better else "min",
    )  # fmt: skip
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1.0))
    callback.set_model(model)
    callback.on_train_begin()
    schedule = ReduceOnPlateau(
        factor=0.5, patience_epochs=patience, cooldown_epochs=cooldown, min_delta=0.06, min_learning_rate=0.03125
    )
    state = PlateauState(1.0)
    for epoch, score in enumerate(scores):
        callback.on_epoch_end(epoch, {"score": score})
        state = plateau_step(schedule, state, score, larger_is_better=larger_is_better)
        assert state.learning_rate == float(model.optimizer.learning_rate)
        assert (state.wait, state.cooldown) == (callback.wait, callback.cooldown_counter)
