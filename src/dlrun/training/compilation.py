"""Build the Keras model of a spec and compile it, with every variable created before the first step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import keras

from dlrun.errors import Problem, SpecError
from dlrun.models.parts.difference import with_last_value
from dlrun.models.parts.layer_selection import select_layers, set_trainable
from dlrun.models.parts.levels import with_ordered_levels
from dlrun.runs.record import Choice
from dlrun.signature import Features, Target
from dlrun.spec.types import Spec
from dlrun.system.keras_internals import WeightDecay, all_layers, decays_as_usual, make_metric_variables
from dlrun.training.devices.device import choose_precision, dtype_policy
from dlrun.training.step.by_column import build_loss, build_metric
from dlrun.training.step.by_member import MembersLoss, score_mean
from dlrun.training.step.dropout import exchange_dropout, schedule_dropout
from dlrun.training.step.frozen import with_feature_input
from dlrun.training.step.fused_optimizers import fuse
from dlrun.training.step.parts import join_parts
from dlrun.training.step.replicas import Replicas
from dlrun.training.step.shares import share_batches


@dataclass(frozen=True)
class TrainingLength:
    """The length of a training, in steps."""

    steps_per_epoch: int
    steps: int

    @property
    def epochs(self) -> int:
        """The number of epochs, the last of which may be cut short."""
        return -(-self.steps // self.steps_per_epoch)

    @classmethod
    def of(cls, spec: Spec, examples: int) -> TrainingLength:
        """Return the length that the spec's `training` section asks for.

        Args:
            spec: The spec.
            examples: The number of training examples.
        """
        steps_per_epoch = spec.training.steps_per_epoch(examples)
        return cls(steps_per_epoch, spec.training.total_steps(steps_per_epoch) or 0)


@dataclass(frozen=True)
class Compiled:
    """A compiled model, ready for its first step, with the precision and the CPU shares chosen for it.

    Args:
        model: The Keras model to train.
        core: The model that the spec describes: `model` itself, or what `model` applies to each part of a batch.
        precision: The dtype that layers compute in, and why it was chosen.
        shares: The number of parts that one CPU cuts each batch into, and why it was chosen.
    """

    model: keras.Model
    core: keras.Model
    precision: Choice
    shares: Choice

    @property
    def steps_per_update(self) -> int:
        """The number of steps per weight update: 1, unless the optimizer accumulates gradients."""
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        return optimizer.gradient_accumulation_steps or 1


def compile_model(
    spec: Spec, features: Features, target: Target, *, replicas: Replicas, length: TrainingLength, shares: Choice
) -> Compiled:
    """Build and compile the spec's model; the spec's seed decides every initial value.

    Args:
        spec: The spec.
        features: The shape and kind of the model's input.
        target: What the model has to predict, with the encoding and activation that the loss needs.
        replicas: The replicas; each variable is created on all of their devices.
        length: The length of the training, which learning rate schedules need.
        shares: The number of parts that one CPU should cut each batch into.

    Returns:
        The compiled model; its weights, optimizer slots and metric variables all exist.

    Raises:
        UsageError: The spec sets `cpu_shares`, and the model cannot be computed in parts.
        SpecError: The architecture does not fit the data, which only building it shows.
    """
    keras.utils.clear_session()  # so that the numbers in Keras' automatic names start at 1 again
    precision = choose_precision(
        spec.training, replicas.device, lambda: _built(spec, features, target, precision="float32")
    )
    common = {**spec.plain(), "dataset": None, "plugins": None, "precision": precision.value}
    replicas.check_alike("spec, or another precision,", sha256(repr(common).encode()).hexdigest())
    if precision.value == "float16" and replicas.count > 1:
        precision = Choice(value="float32", reason="this GPU has no bfloat16, and losses are scaled on one device only")
    keras.utils.clear_session()  # before the scope, not inside it: clearing the session would remove the scope
    with replicas.strategy.scope():
        core = _built(spec, features, target, precision=precision.value)
        exchange_dropout(core)
        model, shares = share_batches(core, shares, is_asked_for=spec.training.cpu_shares != "auto")
        freezes = any(phase.trainable == "none" for phase in spec.phases())
        model = with_feature_input(model, core, spec.model.frozen_layer() if freezes else "")
        if spec.training.phases is not None:
            # The optimizer has to know everything that learns in any phase.
            set_trainable(spec.model.backbone_layers(core), _trained_in_any(spec, core))
        _compile(model, spec, target, length=length, precision=precision.value)
        if schedule := spec.model.rate_schedule():
            schedule_dropout(model, schedule, steps_per_epoch=length.steps_per_epoch, total_steps=length.steps)
        # The order matters. 1. _compile() may wrap the optimizer, for loss scaling. 2. The optimizer's slots have to
        # exist before the graph is traced and before a checkpoint is restored. 3. So do the metrics' variables.
        model.optimizer.build(model.trainable_variables)
        _build_metrics(model, features, target, dtype=core.inputs[0].dtype)
        if replicas.count > 1:
            join_parts(model)
    return Compiled(model, core, precision, shares)


def _trained_in_any(spec: Spec, core: keras.Model) -> set[str]:
    names = [layer.name for layer in spec.model.backbone_layers(core)]
    return {name for phase in spec.phases() for name in select_layers(phase.trainable, names)}


def _compile(model: keras.Model, spec: Spec, target: Target, *, length: TrainingLength, precision: str) -> None:
    rate = spec.optimizer.learning_rate
    learning_rate = spec.schedule.build(rate, steps_per_epoch=length.steps_per_epoch, total_steps=length.steps)
    optimizer = fuse(spec.optimizer.build(learning_rate))
    set_decay(optimizer, model, spec, length=length)
    if precision == "float16" and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        # Keras would do this only if the outermost model, which may add float32 layers to the spec's, is of float16.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name="loss_scale_optimizer")
    loss, metrics = build_loss(spec.loss, target), [build_metric(metric, target) for metric in spec.metrics]
    if spec.model.trains_members:
        loss = MembersLoss(loss, is_of_batch=spec.loss.is_of_batch)
        metrics = [score_mean(metric, target) for metric in metrics]
    model.compile(
        optimizer=optimizer,
        loss=loss,
        metrics=metrics,
        jit_compile=False,  # XLA is applied to the step by the loop; here it would forbid some layers on the CPU
    )


def set_decay(
    optimizer: keras.optimizers.Optimizer,
    model: keras.Model,
    spec: Spec,
    *,
    length: TrainingLength,
    rates: Mapping[str, float] | None = None,
) -> None:
    """Let the weight decay follow its schedule, and each weight its factor; if there are none, leave it to Keras.

    Args:
        optimizer: The optimizer, not wrapped.
        model: The model to train.
        spec: The spec.
        length: The length of the training, or of the phase.
        rates: Factors of the learning rate, by the path of a weight, which its decay has, too.
    """
    rates = rates or {}
    peak, schedule = getattr(optimizer, "weight_decay", None), spec.optimizer.decay_schedule()
    if not peak or not decays_as_usual(optimizer):
        return
    pairs = (
        (weight, spec.model.decay_factor(layer, weight.name) * rates.get(weight.path, 1.0))
        for layer in all_layers(model)
        for weight in layer.weights
    )
    factors = [(weight, factor) for weight, factor in pairs if factor != 1.0]
    if not factors and schedule is None and not isinstance(optimizer, WeightDecay):
        return
    if not isinstance(optimizer, WeightDecay):
        optimizer.__class__ = type(type(optimizer).__name__, (WeightDecay, type(optimizer)), {})
    decay: Any = peak
    if schedule is not None:
        decay = schedule.build(peak, steps_per_epoch=length.steps_per_epoch, total_steps=length.steps)
    optimizer.set_decay(factors, decay if callable(decay) else lambda steps: decay)  # noqa: ARG005  it is constant


def _built(spec: Spec, features: Features, target: Target, *, precision: str) -> keras.Model:
    keras.utils.set_random_seed(spec.seed)
    with dtype_policy(precision):
        try:
            model = spec.model.build(features, target)
        except (ValueError, TypeError) as error:
            first_line = str(error).strip().splitlines()[0]
            what = f"the model cannot be built for features of shape {features.shape}: {first_line}"
            raise SpecError([Problem(what, origin=f"model {spec.model.type_name}")]) from error
    if not isinstance(model, keras.Model):
        what = f"its build() returned {type(model).__name__}"
        raise SpecError([Problem(what, "a keras.Model", origin=f"model {spec.model.type_name}")])
    return with_last_value(with_ordered_levels(model, target), target)


def _build_metrics(model: keras.Model, features: Features, target: Target, *, dtype: str) -> None:
    """Create the variables of loss and metrics from symbolic tensors, instead of during the first step."""
    inputs = keras.KerasTensor((None, *features.shape), dtype=dtype)
    if target.kind == "input":
        targets = keras.KerasTensor((None, *features.shape), dtype="float32")
    elif target.kind == "mask":
        is_index = target.encoding == "index"
        shape = features.shape[:2] if is_index else (*features.shape[:2], target.size)
        targets = keras.KerasTensor((None, *shape), dtype="int32" if is_index else "float32")
    elif target.encoding == "index":
        columns = (len(target.parts),) if target.kind == "class_columns" else ()
        targets = keras.KerasTensor((None, *columns), dtype="int32")
    else:
        targets = keras.KerasTensor((None, target.units // max(1, len(target.levels))), dtype="float32")
    make_metric_variables(model, inputs, targets)
