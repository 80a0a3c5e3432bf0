"""The types of a spec: the typed, immutable and complete content of a YAML file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from dlrun.component import Fields, Path
from dlrun.data import Source
from dlrun.data.division.folds import Folds
from dlrun.losses import Loss
from dlrun.metrics.metric import Metric
from dlrun.models import Model
from dlrun.models.layers import NotEmpty
from dlrun.optimizers import Optimizer
from dlrun.schedules import Schedule
from dlrun.spec.decision import DecisionRule
from dlrun.spec.search.section import SearchSection
from dlrun.spec.transfer.initialize import Initialize
from dlrun.spec.transfer.phases import Phase, SettledPhase, settle_phases, with_length
from dlrun.tracking import Tracker

DEFAULT_EPOCHS = 10


class EarlyStopping(Fields):
    """Stop training when a metric has stopped improving."""

    metric: str = Field(
        default="auto",
        description="Metric to watch, by its name in metrics.jsonl. It also selects the best epoch. auto: "
        "training.monitor.",
    )
    patience_epochs: int = Field(default=5, ge=1, description="Epochs without improvement before training stops.")
    min_delta: float = Field(default=0.0, ge=0, description="Smallest change that counts as improvement.")
    start_epoch: int = Field(default=1, ge=1, description="First epoch to consider.")
    restore_best: bool = Field(
        default=True,
        description="End with the weights of the best epoch by metric instead of the last. All epochs count, even "
        "those before start_epoch and with improvements below min_delta.",
    )


class Training(Fields):
    """Options of the training."""

    batch_size: int = Field(
        default=32, ge=1, description="Number of examples in a training step; `auto` measures it at the start of a run."
    )
    evaluation_batch_size: int = Field(
        default=256, ge=1, description="Number of examples in a step of validation and evaluation."
    )
    epochs: int | None = Field(
        default=None,
        ge=1,
        description=f"Number of passes over the training split. null: {DEFAULT_EPOCHS}, unless steps is set.",
    )
    steps: int | None = Field(default=None, ge=1, description="Number of steps to train, instead of epochs.")
    phases: NotEmpty[Phase] | None = Field(
        default=None,
        description="Phases of the training, one after the other: what learns in each, and how fast. Each begins with "
        "a new state of the optimizer and a new cycle of the schedule. null: a single one.",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto",
        description="Data type of the computations in layers. Variables, heads, losses and metrics stay float32.",
    )
    jit: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Whether to compile the training steps with XLA. auto: measure both if the run is long enough.",
    )
    cpu_shares: Literal["auto"] | Annotated[int, Field(ge=1, le=64)] = Field(
        default="auto",
        description="Number of parts of each batch that a CPU computes in parallel, from 1 to 64. auto: one per core "
        "for models where that is faster: their layers compute each example independently and use a single core well.",
    )
    feed: Literal["auto", "device", "host"] = Field(
        default="auto",
        description="Where to store the examples. device: on the device. host: in memory, prefetched for each step. "
        "auto: on the device if they fit. The result is the same.",
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu(:\d{1,3}(,\d{1,3})*)?|gpu(:\d{1,3}(,\d{1,3})*)?)$",
        examples=["auto", "cpu", "gpu", "gpu:1", "gpu:0,1", "cpu:0,1"],
        description="Device: auto (a GPU if there is one), cpu, gpu, gpu:1, or several that share each batch, such as "
        "gpu:0,1. cpu:0,1 creates two logical CPUs for tests.",
    )
    shuffle: bool = Field(default=True, description="Whether to shuffle the examples in each epoch.")
    drop_remainder: bool = Field(default=False, description="Whether to skip the last, smaller batch of an epoch.")
    class_weight: Literal["balanced"] | dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] | None = Field(
        default=None,
        description="Weight of each class in the loss, by name or index: {cat: 2.0}; 1 for other classes. Keys must be "
        "all names or all indices, and count as names if they could be both. balanced: examples / (classes * examples "
        "of the class).",
    )
    monitor: str = Field(
        default="auto",
        description="Metric that selects the best epoch. auto: early_stopping.metric if it is set, otherwise val_loss, "
        "or loss without validation data. With use_ema, validation uses the averaged weights, which are also the "
        "result.",
    )
    early_stopping: EarlyStopping | None = Field(default=None, description="Early stopping; null: none.")
    checkpoint_minutes: float = Field(
        default=10.0,
        gt=0,
        description="Minutes between checkpoints, also within an epoch. At the end of an epoch, checkpoints are "
        "written more often if that takes only a few percent of the training time.",
    )
    max_minutes: float | None = Field(
        default=None,
        gt=0,
        description="Minutes after which training ends; null: no limit. Resuming a run starts a new count.",
    )
    keep_checkpoints: int = Field(
        default=2, ge=1, description="Number of recent checkpoints to keep. The best one is always kept."
    )
    tensorboard: bool = Field(default=True, description="Whether to write TensorBoard event files.")
    report: bool = Field(default=True, description="Whether to write report.html and its plots at the end.")

    def plain(self) -> dict[str, Any]:
        """Return the keys in plain Python values; without `phases` if there are none, as in earlier versions."""
        plain = self.model_dump(mode="json")
        if self.phases is None:
            plain.pop("phases")
        return plain

    def steps_per_epoch(self, examples: int) -> int:
        """Return the number of steps of an epoch with this number of training examples."""
        whole, rest = divmod(examples, self.batch_size)
        return whole + (1 if rest and not self.drop_remainder else 0)

    def total_steps(self, steps_per_epoch: int | None) -> int | None:
        """Return the number of steps of the whole training; None if it is unknown without the steps of an epoch."""
        if self.steps is not None or steps_per_epoch is None:
            return self.steps
        return steps_per_epoch * (self.epochs or 1)

    @model_validator(mode="before")
    @classmethod
    def _fill_epochs(cls, data: Any) -> Any:
        # Not a plain default of `epochs`: together with `steps` it would look as if the user had set both.
        if isinstance(data, dict) and data.get("phases") is not None:
            data = with_length(data, default_epochs=DEFAULT_EPOCHS)
        lacks_both = isinstance(data, dict) and data.get("epochs") is None and data.get("steps") is None
        return {**data, "epochs": DEFAULT_EPOCHS} if lacks_both else data


class EvaluationKeys(Fields):
    """What to evaluate at the end of a training, besides loss and metrics."""

    by: tuple[str, ...] = Field(
        default=(),
        max_length=10,
        examples=[["sex", "region"]],
        description="Columns of the data files to score by group: each category, or each quarter of the numbers. They "
        "need not be features. See `dlrun eval --by`.",
    )


@dataclass(frozen=True)
class Draft:
    """The valid parts of a spec. Other parts are None, so that the valid ones can still be checked together.

    Args:
        model_type: Class of the model, which is known even if its keys are wrong.
    """

    dataset: Source | None
    model: Model | None
    model_type: type[Model] | None
    optimizer: Optimizer | None
    schedule: Schedule | None
    loss: Loss | None
    metrics: tuple[Metric | None, ...]
    training: Training | None
    tracking: Tracker | None = None
    evaluation: EvaluationKeys | None = None
    decision: DecisionRule | None = None


@dataclass(frozen=True)
class Spec:
    """A checked spec with every default filled in.

    The section `search` is not part of what is trained: it is neither in `plain` nor in the identity of a run.

    Args:
        measured: The keys that are `auto` in the config. Until they are measured, at the start of a run, their defaults
            stand for them.
    """

    name: str
    seed: int
    plugins: tuple[str, ...]
    dataset: Source
    model: Model
    optimizer: Optimizer
    schedule: Schedule
    loss: Loss
    metrics: tuple[Metric, ...]
    training: Training
    tracking: Tracker | None = None
    evaluation: EvaluationKeys = field(default_factory=EvaluationKeys)
    folds: Folds | None = None
    decision: DecisionRule | None = None
    search: SearchSection | None = None
    initialize: Initialize | None = None
    measured: tuple[Path, ...] = ()

    def draft(self) -> Draft:
        """Return the spec as a draft in which every part is valid."""
        return Draft(
            dataset=self.dataset,
            model=self.model,
            model_type=type(self.model),
            optimizer=self.optimizer,
            schedule=self.schedule,
            loss=self.loss,
            metrics=self.metrics,
            training=self.training,
            tracking=self.tracking,
            evaluation=self.evaluation,
            decision=self.decision,
        )

    def spanning_schedule(self) -> str:
        """Return a schedule that depends on the length of the whole training, in words; empty if there is none."""
        rates = {
            "schedule": self.schedule,
            "dropout schedule": self.model.rate_schedule(),
            "weight decay schedule": self.optimizer.decay_schedule(),
        }
        found = (f"{what} {rate.type_name}" for what, rate in rates.items() if rate is not None and rate.spans_training)
        return next(found, "")

    def phases(self) -> tuple[SettledPhase, ...]:
        """Return the phases of the training, each with what it takes over; a single one if the spec has none."""
        trainable = getattr(self.model, "trainable", "all")
        given = self.training.phases or (Phase(),)
        return settle_phases(given, trainable=trainable, learning_rate=self.optimizer.learning_rate)

    def of_folds(self) -> tuple[Spec, ...]:
        """Return the spec of each run of its folds; only itself if it has no folds."""
        if self.folds is None:
            return (self,)
        return tuple(replace(self, dataset=self.dataset.with_fold(fold), folds=None) for fold in self.folds.folds)

    def plain(self) -> dict[str, Any]:
        """Return the spec in plain Python values, in the order of spec.yaml."""
        return {
            "name": self.name,
            "seed": self.seed,
            **({"plugins": list(self.plugins)} if self.plugins else {}),
            "dataset": self.dataset.plain(),
            "model": self.model.plain(),
            "optimizer": self.optimizer.plain(),
            "schedule": self.schedule.plain(),
            "loss": self.loss.plain(),
            "metrics": [metric.plain() for metric in self.metrics],
            "training": self.training.plain(),
            **({"decision": self.decision.plain()} if self.decision else {}),
            **({"tracking": self.tracking.plain()} if self.tracking else {}),
            # Left out by default, so that specs without it have the digest that they had in earlier versions.
            **({"evaluation": self.evaluation.model_dump(mode="json")} if self.evaluation.by else {}),
            **({"initialize": self.initialize.plain()} if self.initialize else {}),
            **({"folds": self.folds.model_dump(mode="json")} if self.folds else {}),
        }
