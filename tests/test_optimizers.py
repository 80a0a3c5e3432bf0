from typing import Any

import pytest
from pydantic import ValidationError

from dlrun.optimizers import KerasOptimizer, Optimizer, optimizers


def made(name: str, /, **arguments: Any) -> Optimizer:
    found = optimizers.find(name)
    assert found is not None
    return found(**arguments)


def test_all_optimizers_of_keras_are_known_by_their_module_names() -> None:
    assert optimizers.names() == (
        "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "ftrl", "lamb", "lion", "muon", "nadam",
        "rmsprop", "schedule_free_adamw", "sgd",
    )  # fmt: skip


def test_a_class_is_made_once() -> None:
    assert optimizers.find("adam") is optimizers.find("adam")
    assert made("adam") == made("adam", beta_1=0.9)


def test_the_learning_rate_defaults_to_that_of_keras() -> None:
    assert [made(name).learning_rate for name in ("adam", "sgd", "schedule_free_adamw")] == [0.001, 0.01, 0.0025]
    assert made("adam", learning_rate=1).learning_rate == 1.0


@pytest.mark.parametrize(
    "arguments",
    [
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"beta_1": 1.0},
        {"clipnorm": 0.0},
        {"clipnorm": True},
        {"use_ema": 1},
        {"gradient_accumulation_steps": 1},
        {"ema_momentum": 1.5},
        {"lerning_rate": 0.1},
        {"name": "x"},
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        made("adam", **arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "path"),
    [
        ("adam", {"clipnorm": 1.0, "clipvalue": 1.0}, ("clipvalue",)),
        ("adam", {"clipnorm": 1.0, "global_clipnorm": 1.0}, ("global_clipnorm",)),
        ("adam", {"ema_overwrite_frequency": 2}, ("ema_overwrite_frequency",)),
        ("sgd", {"nesterov": True}, ("nesterov",)),
        ("adam", {"weight_decay_schedule": "flat_cos"}, ("weight_decay_schedule",)),
        ("muon", {"weight_decay_schedule": "flat_cos"}, ("weight_decay_schedule",)),
    ],
)
def test_keys_that_exclude_each_other_are_problems(name: str, arguments: dict[str, Any], path: tuple[str]) -> None:
    assert [problem.path for problem in made(name, **arguments).problems()] == [path]
    assert not list(made(name).problems())


def test_a_spec_contains_every_key() -> None:
    plain = made("adam", clipnorm=1).plain()
    assert plain["type"] == "adam"
    assert (plain["clipnorm"], plain["epsilon"], plain["clipvalue"]) == (1.0, 1e-7, None)
    assert made(plain.pop("type"), **plain) == made("adam", clipnorm=1)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", optimizers.names())
def test_each_optimizer_has_the_defaults_of_keras_and_takes_a_step(name: str) -> None:
    import keras

    optimizer = made(name)
    built = optimizer.build(optimizer.learning_rate)
    assert built.name == name
    own = getattr(keras.optimizers, type(optimizer).__name__)().get_config()
    assert {**built.get_config(), "name": ""} == {**own, "name": ""}
    variable = keras.Variable([[1.0, 2.0], [3.0, 4.0]], name="kernel")
    built.apply([keras.ops.ones((2, 2))], [variable])
    assert not bool(keras.ops.all(variable.value == keras.ops.array([[1.0, 2.0], [3.0, 4.0]])))


@pytest.mark.tensorflow
def test_every_argument_of_an_optimizer_reaches_keras() -> None:
    samples = {"bool": True, "int": 3, "number": 0.5, "texts": ("head",)}
    for name in optimizers.names():
        found = optimizers.find(name)
        assert found is not None
        assert issubclass(found, KerasOptimizer)
        given: dict[str, Any] = {
            argument.name: -0.5 if (argument.le == 0) else samples[argument.types[0]]
            for argument in found.entry.arguments
            if argument.name not in {"clipvalue", "global_clipnorm"}
        }
        config = found(**given).build(0.25).get_config()
        expected = given | {"learning_rate": 0.25}
        assert {key: tuple(v) if isinstance(v := config[key], list) else v for key in expected} == expected


@pytest.mark.tensorflow
def test_a_keras_schedule_is_accepted_as_learning_rate() -> None:
    import keras

    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.5)
    assert float(made("sgd").build(schedule).learning_rate) == 0.5
