"""A spec and what its data looks like in, a compiled Keras model out, with every variable made."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import keras

from dlrun.errors import Problem, SpecError
from dlrun.models.parts.difference import with_last_value
from dlrun.runs.record import Choice
from dlrun.signature import Features, Target
from dlrun.spec.types import Spec
from dlrun.training.devices.device import choose_precision, dtype_policy
from dlrun.training.step.by_column import build_loss, build_metric
from dlrun.training.step.dropout import exchange_dropout
from dlrun.training.step.fused_optimizers import fused
from dlrun.training.step.parts import join_parts
from dlrun.training.step.replicas import Replicas
from dlrun.training.step.shares import shared


@dataclass(frozen=True)
class TrainingLength:
    """How long a training is, in both units."""

    steps_per_epoch: int
    steps: int

    @property
    def epochs(self) -> int:
        """Epochs, the last of which may be cut short."""
        return -(-self.steps // self.steps_per_epoch)

    @classmethod
    def of(cls, spec: Spec, examples: int) -> TrainingLength:
        """The length that a spec's `training` asks for, with so many training examples."""
        steps_per_epoch = spec.training.steps_per_epoch(examples)
        return cls(steps_per_epoch, spec.training.total_steps(steps_per_epoch) or 0)


@dataclass(frozen=True)
class Compiled:
    """A model ready for its first step, and the choice that went into it.

    Args:
        model: What is trained.
        core: The spec's model: `model` itself, or what it applies to the parts of a batch.
        precision: Chosen for it.
        shares: Into how many parts each batch is cut on one device.
    """

    model: keras.Model
    core: keras.Model
    precision: Choice
    shares: Choice

    @property
    def steps_per_update(self) -> int:
        """Steps whose gradients change the weights together: 1, unless the optimizer accumulates them."""
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        return optimizer.gradient_accumulation_steps or 1


def compile_model(
    spec: Spec, features: Features, target: Target, *, team: Replicas, length: TrainingLength, shares: Choice
) -> Compiled:
    """Build and compile the spec's model; the spec's seed decides every initial value.

    Args:
        spec: The spec.
        features: What the model is given.
        target: What it has to give, settled by the loss.
        team: Where it will run; each variable is made on all of its devices.
        length: Of the training, which schedules need.
        shares: Into how many parts each batch is to be cut on one device.

    Raises:
        UsageError: The spec asks for parts that the model cannot be computed in.
        SpecError: The architecture does not fit the data in a way that only building shows.
    """
    keras.utils.clear_session()  # names that Keras numbers start at 1 again
    precision = choose_precision(
        spec.training, team.device, lambda: _built(spec, features, target, precision="float32")
    )
    told = {**spec.plain(), "dataset": None, "plugins": None, "precision": precision.value}
    team.check_alike("spec, or another precision,", sha256(repr(told).encode()).hexdigest())
    if precision.value == "float16" and team.replicas > 1:
        precision = Choice(value="float32", reason="this GPU has no bfloat16, and losses are scaled on one device only")
    keras.utils.clear_session()  # not inside the scope, which it would take away
    with team.strategy.scope():
        core = _built(spec, features, target, precision=precision.value)
        exchange_dropout(core)
        model, shares = shared(core, shares, is_asked_for=spec.training.cpu_shares != "auto")
        _compile(model, spec, target, length=length)
        # 1. The optimizer may have been wrapped (loss scaling) by compile. 2. Its slots must exist before the graph is
        # traced and before a checkpoint is restored. 3. So must the variables of the metrics.
        model.optimizer.build(model.trainable_variables)
        _build_metrics(model, features, target, dtype=core.inputs[0].dtype)
        if team.replicas > 1:
            join_parts(model)
    return Compiled(model, core, precision, shares)


def _compile(model: keras.Model, spec: Spec, target: Target, *, length: TrainingLength) -> None:
    rate = spec.optimizer.learning_rate
    learning_rate = spec.schedule.build(rate, steps_per_epoch=length.steps_per_epoch, total_steps=length.steps)
    optimizer = fused(spec.optimizer.build(learning_rate))
    model.compile(
        optimizer=optimizer,
        loss=build_loss(spec.loss, target),
        metrics=[build_metric(metric, target) for metric in spec.metrics],
        jit_compile=False,  # XLA is applied to the step by the loop; here it would forbid some layers on the CPU
    )


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
    return with_last_value(model, target)


def _build_metrics(model: keras.Model, features: Features, target: Target, *, dtype: str) -> None:
    """Make the variables of loss and metrics now, from symbolic tensors, instead of in the first step."""
    inputs = keras.KerasTensor((None, *features.shape), dtype=dtype)
    if target.kind == "input":
        targets = keras.KerasTensor((None, *features.shape), dtype="float32")
    elif target.encoding == "index":
        columns = (len(target.parts),) if target.kind == "class_columns" else ()
        targets = keras.KerasTensor((None, *columns), dtype="int32")
    else:
        targets = keras.KerasTensor((None, target.units), dtype="float32")
    # Private in Keras 3.15; a test holds that no variable is made after it.
    model._symbolic_build(data_batch=(inputs, targets))  # noqa: SLF001
