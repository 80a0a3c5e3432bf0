"""The parts of Keras and TensorFlow that are not public, each behind a function that says which public way is missing.

Nothing else in dlrun uses them, so that an update of Keras (3.15) or TensorFlow (2.21) can break this module alone:
`tests/system/test_keras_internals.py` fails with the name of what is gone. TensorFlow is imported inside the functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def all_layers(model: keras.Model) -> list[keras.Layer]:
    """Return the model itself and every layer inside it, at any depth.

    The public `model.layers` omits what is inside nested models and wrappers.
    """
    layers: list[keras.Layer] = list(model._flatten_layers())  # noqa: SLF001
    return layers


def make_metric_variables(model: keras.Model, inputs: Any, targets: Any) -> None:
    """Create the variables of the loss and the metrics of a compiled model.

    Keras creates them in the first step, too late for a checkpoint to be restored into them, and has no public method
    that does it earlier.

    Args:
        model: Compiled.
        inputs: A `keras.KerasTensor` like one batch of inputs.
        targets: The same for the targets.
    """
    model._symbolic_build(data_batch=(inputs, targets))  # noqa: SLF001


def build_metric(metric: keras.metrics.Metric, shape: tuple[int | None, ...]) -> None:
    """Create the variables of a metric for targets and predictions of a shape.

    A Keras metric has no public `build`: its variables are created by the first call of `update_state`.
    """
    metric._build(shape, shape)  # type: ignore[attr-defined, unused-ignore]  # noqa: SLF001


def loss_tracker(model: keras.Model) -> keras.metrics.Mean:
    """Return the running mean of the loss of a compiled model.

    The public `model.metrics` lists it among the others and does not say which one it is.
    """
    return model._loss_tracker  # noqa: SLF001


def operation_of(tensor: keras.KerasTensor) -> Any:
    """Return the operation or layer that a symbolic tensor comes from. No public attribute leads back to it."""
    return tensor._keras_history.operation  # noqa: SLF001


def adam_moments(optimizer: keras.optimizers.Adam, variable: Any) -> tuple[keras.Variable, keras.Variable]:
    """Return the first and second moment that Adam keeps of a variable.

    The public `optimizer.variables` lists them without saying whose they are.
    """
    index = optimizer._get_variable_index(variable)  # noqa: SLF001
    return optimizer._momentums[index], optimizer._velocities[index]  # noqa: SLF001


def momentum_of(optimizer: keras.optimizers.SGD, variable: Any) -> keras.Variable:
    """Return the momentum that SGD keeps of a variable; as with Adam, no public way leads from one to the other."""
    return optimizer.momentums[optimizer._get_variable_index(variable)]  # noqa: SLF001


def lite_operations(interpreter: Any) -> list[dict[str, Any]]:
    """Return the operations of a TensorFlow Lite model. The public interpreter describes tensors only."""
    operations: list[dict[str, Any]] = interpreter._get_ops_details()  # noqa: SLF001
    return operations


def lite_schema() -> Any:
    """Return the module of classes that a TensorFlow Lite file consists of; `tf.lite` does not export it."""
    from tensorflow.lite.python import schema_py_generated

    return schema_py_generated


def lite_files() -> Any:
    """Return the module that reads and writes TensorFlow Lite files as objects; `tf.lite` does not export it."""
    from tensorflow.lite.tools import flatbuffer_utils

    return flatbuffer_utils


def freeze(function: Any) -> Any:
    """Return a concrete function with its variables as constants and its control flow as it is.

    The public `tf.compat.v1.graph_util.convert_variables_to_constants` takes a session, which TensorFlow 2 has not.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(function, lower_control_flow=False)


def has_deterministic_ops() -> bool:
    """Return whether TensorFlow computes deterministically on a GPU, or fails.

    `tf.config.experimental.enable_op_determinism` and the environment variable TF_DETERMINISTIC_OPS turn it on, and
    nothing public tells whether it is on.
    """
    from tensorflow.python.framework.config import is_op_determinism_enabled

    return bool(is_op_determinism_enabled())


def limit_wait_for_workers(seconds: int) -> None:
    """Set how long `MultiWorkerMirroredStrategy` waits for the other processes when it is made.

    It is an hour, and no public option changes it.
    """
    from tensorflow.python.eager import context as eager_context

    context = eager_context.context()
    context.configure_coordination_service = partial(
        context.configure_coordination_service, cluster_register_timeout_in_ms=1000 * seconds
    )


def named_objects(group: str) -> Mapping[str, Any]:
    """Return every name that `keras.<group>.get` understands, with what it stands for.

    `get` is public, but nothing public lists its names.

    Args:
        group: `activations`, `constraints`, `initializers`, `losses`, `metrics`, `optimizers` or `regularizers`.
    """
    from importlib import import_module

    objects: Mapping[str, Any] = import_module(f"keras.src.{group}").ALL_OBJECTS_DICT
    return objects


def snake_case(class_name: str) -> str:
    """Return the name by which `keras.losses.get` and the like know a class.

    The public functions take such a name, but nothing public returns it.
    """
    from keras.src.utils.naming import to_snake_case

    return str(to_snake_case(class_name))


def optimizer_argument_docs() -> str:
    """Return the description of the arguments that all optimizers share.

    It is public in the docstrings alone, and Keras does not insert it into that of Muon.
    """
    from keras.src.optimizers.base_optimizer import base_optimizer_keyword_args

    return str(base_optimizer_keyword_args)


def factor_bounds(layer: type) -> tuple[float | None, float | None] | None:
    """Return the smallest and largest `factor` of an augmentation layer; None where it does not say.

    Keras checks them in the constructor and publishes them nowhere.
    """
    bounds: tuple[float | None, float | None] | None = getattr(layer, "_FACTOR_BOUNDS", None)
    return bounds


def steps_taken(optimizer: keras.optimizers.Optimizer) -> Any:
    """Return the variable that counts the training steps, which the learning rate follows.

    The public `optimizer.iterations` counts updates of the weights: with gradient accumulation, fewer.
    """
    return optimizer._iterations  # noqa: SLF001


def decays_as_usual(optimizer: keras.optimizers.Optimizer) -> bool:
    """Return whether Keras decays the weights as it does under most optimizers; Muon has a way of its own."""
    import keras

    usual: Any = keras.optimizers.Optimizer
    return type(optimizer)._apply_weight_decay is usual._apply_weight_decay  # type: ignore[attr-defined, unused-ignore]  # noqa: SLF001


class WeightDecay:
    """A base to put before a Keras optimizer's class: each weight decays by a factor of its own, which may change.

    Keras decays all weights by one constant. None of its public methods is called with the weights to decay.
    """

    decay_factors: Mapping[Any, float]
    """Factors of weights, by the optimizer's own key of them; 1 for others."""

    decay_at: Callable[[Any], Any]
    """Function that returns the weight decay after a number of steps."""

    def set_decay(self, factors: Sequence[tuple[Any, float]], decay_at: Callable[[Any], Any]) -> None:
        """Set the factors of weights, and the function of the steps that returns the decay."""
        self.decay_factors = {self._var_key(weight): factor for weight, factor in factors}  # type: ignore[attr-defined]
        self.decay_at = decay_at

    def _apply_weight_decay(self, variables: Any) -> None:
        import tensorflow as tf

        if self.weight_decay is None:  # type: ignore[attr-defined]
            return
        rate, decay = self.learning_rate, self.decay_at(steps_taken(self))  # type: ignore[attr-defined]
        for variable in map(_own_copy, variables):
            factor = self.decay_factors.get(self._var_key(variable), 1.0)  # type: ignore[attr-defined]
            if factor and self._use_weight_decay(variable):  # type: ignore[attr-defined]
                dtype = variable.dtype
                part = tf.cast(decay, dtype) * tf.cast(rate, dtype) * tf.cast(factor, dtype)
                variable.assign_sub(variable * part)


class RateFactors:
    """A base to put before a Keras optimizer's class: the learning rate of each weight has a factor of its own.

    Keras has no public way to tell, in the public `update_step`, which weight it is called with.
    """

    rate_factors: Mapping[Any, float]
    """Factors of weights, by the optimizer's own key of them; 1 for others."""

    def set_rate_factors(self, factors: Sequence[tuple[Any, float]]) -> None:
        """Set the factors of weights."""
        self.rate_factors = {self._var_key(weight): factor for weight, factor in factors}  # type: ignore[attr-defined]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update a weight, as the optimizer does with another learning rate."""
        factor = self.rate_factors.get(self._var_key(variable), 1.0)  # type: ignore[attr-defined]
        rate = learning_rate if factor == 1.0 else learning_rate * factor
        super().update_step(gradient, variable, rate)  # type: ignore[misc]


class SumsFirst:
    """A base to put before a Keras optimizer's class: it gets the sums of the gradients over all devices.

    So clipping and gradient accumulation work on the whole batch. After that, each device does the same to its own
    copy of the variables. Keras 3.15 sums after clipping, and meets the other devices in the middle of what it does
    only now and then, which TensorFlow cannot. None of the methods where it meets them is public.
    """

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """Sum the gradients, then do what the optimizer does."""
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        there = [gradient for gradient in grads if gradient is not None]
        summed = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, there))
        grads = [None if gradient is None else next(summed) for gradient in grads]
        super().apply(grads, trainable_variables)  # type: ignore[misc]

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            self.update_step(gradient, _own_copy(variable), learning_rate)  # type: ignore[attr-defined]

    def _apply_weight_decay(self, variables: Any) -> None:
        import tensorflow as tf

        if self.weight_decay is None:  # type: ignore[attr-defined]
            return
        if isinstance(self, WeightDecay):
            super()._apply_weight_decay(variables)  # type: ignore[misc]
            return
        for variable in map(_own_copy, variables):
            if self._use_weight_decay(variable):  # type: ignore[attr-defined]
                rate = tf.cast(self.learning_rate, variable.dtype)  # type: ignore[attr-defined]
                decay = tf.cast(self.weight_decay, variable.dtype)  # type: ignore[attr-defined]
                variable.assign_sub(variable * decay * rate)

    def _backend_increment_gradient_accumulators(self, grads: Any, acc_grads: Any) -> None:
        for gradient, accumulated in zip(grads, acc_grads, strict=True):
            _own_copy(accumulated).assign_add(gradient)

    def _overwrite_model_variables_with_average_value(self, trainable_variables: Any) -> None:
        import tensorflow as tf

        if tf.distribute.in_cross_replica_context():  # at the end of training
            super()._overwrite_model_variables_with_average_value(trainable_variables)  # type: ignore[misc]
            return
        averages = self._model_variables_moving_average  # type: ignore[attr-defined]
        for variable, average in zip(trainable_variables, averages, strict=True):
            _own_copy(variable).assign(_own_copy(average))


def _own_copy(variable: Any) -> Any:
    """Return, inside a replica, its own copy of a variable."""
    import tensorflow as tf

    copies = tf.distribute.get_strategy().experimental_local_results(getattr(variable, "value", variable))
    replica = tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group)
    return copies[replica % len(copies)]


@contextmanager
def fresh_names() -> Iterator[None]:
    """Number the layers that Keras names by itself from 1 inside the block, as in a new process.

    Some networks of `keras.applications` leave names to Keras. The public `clear_session` also forgets everything else.
    """
    from keras.src.backend.common import global_state

    before = global_state.get_global_attribute("object_name_uids")
    global_state.set_global_attribute("object_name_uids", None)
    try:
        yield
    finally:
        global_state.set_global_attribute("object_name_uids", before)


def unallocated() -> AbstractContextManager[Any]:
    """Return a context in which layers are built without memory for their weights.

    Keras has no public way to build a large model only to look at its layers.
    """
    from keras.src.backend.common.stateless_scope import StatelessScope

    scope: AbstractContextManager[Any] = StatelessScope()
    return scope


def requested_weights(build: Callable[[], Any]) -> dict[str, Any]:
    """Return the arguments with which a function of `keras.applications` would download its weights.

    Keras publishes the names and hashes of the files nowhere else. Nothing is downloaded.

    Args:
        build: Calls the function.
    """
    from keras.src.utils import file_utils

    class Asked(Exception):
        pass

    def refuse(fname: str, origin: str, **options: Any) -> None:
        raise Asked({"fname": fname, "origin": origin, **options})

    before = file_utils.get_file
    file_utils.get_file = refuse
    try:
        build()
    except Asked as asked:
        found: dict[str, Any] = asked.args[0]
        return found
    finally:
        file_utils.get_file = before
    raise RuntimeError("the function did not ask for a file")
