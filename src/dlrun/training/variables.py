"""Read and assign everything that training changes, as named arrays: model, optimizer and metrics.

The model's variables include the states of its seed generators, which a resumed run needs to draw the same numbers.
"""

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

# Keras numbers seed generators by a counter of the process, so only their order in the model is the same in each run.
_COUNTED = re.compile(r"seed_generator(_\d+)?/")


def read_arrays(model: keras.Model) -> Arrays:
    """Copy every variable of a compiled model, its optimizer and its metrics to the host."""
    return {name: host_value(variable) for name, variable in _named(model)}


class HostValues(Mapping[str, Array]):
    """Every variable of a compiled model, its optimizer and its metrics; each is copied to the host on access.

    Args:
        model: A compiled model with a built optimizer.
    """

    def __init__(self, model: keras.Model) -> None:
        self._variables = dict(_named(model))

    def __getitem__(self, name: str) -> Array:
        """Return the current value of a variable."""
        return host_value(self._variables[name])

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._variables)

    def __len__(self) -> int:
        """Return the number of variables."""
        return len(self._variables)

    def specs(self) -> dict[str, ArraySpec]:
        """Return the shape and dtype of each variable."""
        return {name: _spec(variable) for name, variable in self._variables.items()}


def host_value(variable: Any) -> npt.NDArray[Any]:
    """Return the value of a variable; of one that has a copy per device, the first copy, or the sum for a metric."""
    value = variable.value
    if type(value).__name__ == "ResourceVariable":  # a variable on one device: this read takes half the time
        return np.asarray(tf.raw_ops.ReadVariableOp(resource=value.handle, dtype=value.dtype))
    return np.asarray(tf.convert_to_tensor(value))


def array_specs(model: keras.Model, *, parts: tuple[str, ...]) -> dict[str, ArraySpec]:
    """Return the shape and dtype of every variable that a checkpoint of `model` has to hold.

    Args:
        model: A compiled model with a built optimizer.
        parts: Which variables: any of `model`, `optimizer`, `metrics`.
    """
    named = ((name, variable) for name, variable in _named(model) if name.partition("/")[0] in parts)
    return {name: _spec(variable) for name, variable in named}


def assign_arrays(model: keras.Model, arrays: Mapping[str, npt.NDArray[Any]], *, parts: tuple[str, ...]) -> None:
    """Assign values that were read from an equal model.

    Args:
        model: A compiled model with a built optimizer.
        arrays: The values by name, as `read_arrays` returns them.
        parts: Which variables to assign: any of `model`, `optimizer`, `metrics`.

    Raises:
        CheckpointError: A name, shape or dtype differs, or a variable is missing.
    """
    wanted = {name: variable for name, variable in _named(model) if name.partition("/")[0] in parts}
    given = {name: array for name, array in arrays.items() if name.partition("/")[0] in parts}
    # Check everything before the first assignment, so that an error leaves the model as it was.
    for name in sorted(wanted.keys() ^ given.keys()):
        where = "the model, but not the checkpoint" if name in wanted else "the checkpoint, but not the model"
        raise CheckpointError(f"the variable {name} is in {where}", expected="a checkpoint of this model")
    expected = array_specs(model, parts=parts)
    found = {name: ArraySpec(array.shape, array.dtype.name) for name, array in given.items()}
    if difference := check_specs(found, expected):
        raise CheckpointError(f"in the checkpoint {difference}", expected="a checkpoint of this model")
    for name, variable in wanted.items():
        variable.assign(given[name])


def keeps_averages(model: keras.Model) -> bool:
    """Return whether training ends with other weights than the last step leaves, as with Keras' `use_ema`.

    This looks at the optimizer, not the spec: a plugin's optimizer may average weights without a key for it.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)  # under loss scaling
    return bool(optimizer.use_ema) or _finalizes_its_own_way(optimizer)


def average_variables(model: keras.Model) -> None:
    """End training as Keras' `fit` does: an optimizer with `use_ema` writes the moving averages to the model."""
    # With gradient accumulation, the number of updates is no variable but a tensor that is computed from one.
    updates = model.optimizer.iterations
    if int(host_value(updates) if isinstance(updates, keras.Variable) else updates):  # or there is nothing to average
        model.optimizer.finalize_variable_values(model.trainable_weights)


@contextmanager
def averaged_variables(model: keras.Model) -> Iterator[None]:
    """Give the model, inside the block, the weights that training would end with now.

    After the block the model has exactly the weights from before, to the bit.
    """
    if not keeps_averages(model):
        yield
        return
    changed = model.trainable_weights
    if _finalizes_its_own_way(getattr(model.optimizer, "inner_optimizer", model.optimizer)):
        changed = [*model.weights, *model.optimizer.variables]  # a plugin's optimizer may change any of them
    # Copies, because averaging assigns to the variables in place.
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
    """Return the sha256 of the bytes of all model variables, in model order."""
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
            # Without the counters, several seed generators have one path; their position tells them apart.
            name = f"{part}/{path}" if path not in seen else f"{part}/{path}:{position}"
            seen.add(path)
            yield name, variable
