"""Everything that training changes, as named arrays: model (with its seed generators), optimizer, metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dlrun.errors import CheckpointError
from dlrun.runs.arrays import ArraySpec, check_specs

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

# Keras numbers seed generators by a counter of the process; their order in the model is what stays.
_COUNTED = re.compile(r"seed_generator(_\d+)?/")


def read_arrays(model: keras.Model) -> Arrays:
    """Copy every variable of a compiled model, of its optimizer and of its metrics to the host."""
    return {name: host_value(variable) for name, variable in _named(model)}


class HostValues(Mapping[str, Array]):
    """Every variable of a compiled model, of its optimizer and of its metrics, each copied to the host when asked for.

    Args:
        model: Compiled, its optimizer built.
    """

    def __init__(self, model: keras.Model) -> None:
        self._variables = dict(_named(model))

    def __getitem__(self, name: str) -> Array:
        """The present value."""
        return host_value(self._variables[name])

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._variables)

    def __len__(self) -> int:
        """The number of variables."""
        return len(self._variables)

    def specs(self) -> dict[str, ArraySpec]:
        """Shape and dtype of each."""
        return {name: _spec(variable) for name, variable in self._variables.items()}


def host_value(variable: Any) -> npt.NDArray[Any]:
    """The value of one variable; where several devices have one each, that of the first, or for a metric the sum."""
    value = variable.value
    if type(value).__name__ == "ResourceVariable":  # on one device, as nearly all are: half the time
        return np.asarray(tf.raw_ops.ReadVariableOp(resource=value.handle, dtype=value.dtype))
    return np.asarray(tf.convert_to_tensor(value))


def array_specs(model: keras.Model, *, parts: tuple[str, ...]) -> dict[str, ArraySpec]:
    """Shape and dtype of every variable that a checkpoint of `model` has to hold."""
    named = ((name, variable) for name, variable in _named(model) if name.partition("/")[0] in parts)
    return {name: _spec(variable) for name, variable in named}


def assign_arrays(model: keras.Model, arrays: Mapping[str, npt.NDArray[Any]], *, parts: tuple[str, ...]) -> None:
    """Give the variables the values that were read from an equal model.

    Args:
        model: Compiled, its optimizer built.
        arrays: By name, as `read_arrays` gives them.
        parts: Which to assign: `model`, `optimizer`, `metrics`.

    Raises:
        CheckpointError: A name, a shape, a dtype or the number of variables differs.
    """
    wanted = {name: variable for name, variable in _named(model) if name.partition("/")[0] in parts}
    given = {name: array for name, array in arrays.items() if name.partition("/")[0] in parts}
    for name in sorted(wanted.keys() ^ given.keys()):
        where = "the model, but not the checkpoint" if name in wanted else "the checkpoint, but not the model"
        raise CheckpointError(f"the variable {name} is in {where}", expected="a checkpoint of this very model")
    expected = array_specs(model, parts=parts)
    found = {name: ArraySpec(array.shape, array.dtype.name) for name, array in given.items()}
    if difference := check_specs(found, expected):
        raise CheckpointError(f"in the checkpoint {difference}", expected="a checkpoint of this very model")
    for name, variable in wanted.items():
        variable.assign(given[name])


def keeps_averages(model: keras.Model) -> bool:
    """Whether a compiled model ends training with other weights than its steps leave: Keras' `use_ema`, for one.

    The optimizer is asked, not the spec: a plugin's may keep averages without a key that says so.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)  # of one that scales losses
    return bool(optimizer.use_ema) or _finalizes_its_own_way(optimizer)


def average_variables(model: keras.Model) -> None:
    """End training as Keras' `fit` does: an optimizer with `use_ema` puts the moving averages into the model."""
    if int(host_value(model.optimizer.iterations)):  # before its first update it has averaged nothing
        model.optimizer.finalize_variable_values(model.trainable_weights)


@contextmanager
def averaged_variables(model: keras.Model) -> Iterator[None]:
    """Give a model, for the length of a `with` block, the weights that training would end with now.

    Afterwards it has the weights that training goes on from, to the bit.
    """
    if not keeps_averages(model):
        yield
        return
    changed = model.trainable_weights
    if _finalizes_its_own_way(getattr(model.optimizer, "inner_optimizer", model.optimizer)):
        changed = [*model.weights, *model.optimizer.variables]  # a plugin's may change anything
    before = [tf.identity(tf.convert_to_tensor(variable.value)) for variable in changed]
    average_variables(model)
    try:
        yield
    finally:
        for variable, value in zip(changed, before, strict=True):
            variable.assign(value)


def _finalizes_its_own_way(optimizer: keras.optimizers.Optimizer) -> bool:
    own = type(optimizer).finalize_variable_values
    return own is not keras.optimizers.Optimizer.finalize_variable_values


def weights_sha256(model: keras.Model) -> str:
    """The sha256 over the bytes of every model variable, in model order."""
    digest = sha256()
    for variable in model.variables:
        digest.update(np.ascontiguousarray(host_value(variable)).tobytes())
    return digest.hexdigest()


def _spec(variable: Any) -> ArraySpec:
    return ArraySpec(tuple(variable.shape), str(variable.dtype))


def _named(model: keras.Model) -> Iterator[tuple[str, Any]]:
    groups = (
        ("model", model.variables),
        ("optimizer", model.optimizer.variables),
        ("metrics", model.metrics_variables),
    )
    for part, variables in groups:
        seen: set[str] = set()
        for position, variable in enumerate(variables):
            path = _COUNTED.sub("seed_generator/", variable.path)
            name = f"{part}/{path}" if path not in seen else f"{part}/{path}:{position}"
            seen.add(path)
            yield name, variable
