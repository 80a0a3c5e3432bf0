"""The spec: what a YAML file says, typed, frozen and complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from dlrun.component import Fields
from dlrun.data import Source
from dlrun.losses import Loss
from dlrun.metrics.metric import Metric
from dlrun.models import Model
from dlrun.optimizers import Optimizer
from dlrun.schedules import Schedule
from dlrun.tracking import Tracker

DEFAULT_EPOCHS = 10


class EarlyStopping(Fields):
    """When to stop because nothing gets better any more."""

    metric: str = Field(
        default="auto",
        description="Metric to watch, as metrics.jsonl names it; the best epoch is known by it too. auto: "
        "training.monitor.",
    )
    patience_epochs: int = Field(default=5, ge=1, description="Epochs without an improvement before training stops.")
    min_delta: float = Field(default=0.0, ge=0, description="A smaller change than this is no improvement.")
    start_epoch: int = Field(default=1, ge=1, description="First epoch that is judged.")
    restore_best: bool = Field(
        default=True,
        description="End with the variables of the best epoch by metric, not of the last; of all epochs, those before "
        "start_epoch too, and however small the gain.",
    )


class Training(Fields):
    """How the model is trained."""

    batch_size: int = Field(default=32, ge=1, description="Examples in one step.")
    evaluation_batch_size: int = Field(
        default=256, ge=1, description="Examples in one step of validation and evaluation."
    )
    epochs: int | None = Field(
        default=None,
        ge=1,
        description=f"Passes over the training split. {DEFAULT_EPOCHS} if steps is not given either.",
    )
    steps: int | None = Field(default=None, ge=1, description="Steps to train for, instead of epochs.")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="Type the layers compute in; variables, heads, losses and metrics stay float32."
    )
    jit: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Whether XLA compiles the training steps. auto: measured, where the run is long enough.",
    )
    cpu_shares: Literal["auto"] | Annotated[int, Field(ge=1, le=64)] = Field(
        default="auto",
        description="Parts of each batch that a CPU computes at the same time. auto: one for each core, where layers "
        "compute every example by itself and a core computes them nearly as fast as all cores together.",
    )
    feed: Literal["auto", "device", "host"] = Field(
        default="auto",
        description="Where the examples are kept: on the device, or in memory, gathered ahead of the steps. auto: on "
        "the device if they fit. The result is the same.",
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu(:\d{1,3}(,\d{1,3})*)?|gpu(:\d{1,3}(,\d{1,3})*)?)$",
        examples=["auto", "cpu", "gpu", "gpu:1", "gpu:0,1", "cpu:0,1"],
        description="auto (a GPU if there is one), cpu, gpu, gpu:1, or several that share each batch: gpu:0,1. "
        "cpu:0,1 are two logical CPUs, to try that out.",
    )
    shuffle: bool = Field(default=True, description="Whether every epoch takes the examples in an order of its own.")
    drop_remainder: bool = Field(default=False, description="Whether an epoch leaves out its last, smaller batch.")
    class_weight: Literal["balanced"] | dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] | None = Field(
        default=None,
        description="Weight of each class in the loss, by name or index: {cat: 2.0}; others weigh 1. All keys are "
        "names, or all are indices; where both can be meant they are names. balanced: examples / (classes * examples "
        "of the class).",
    )
    monitor: str = Field(
        default="auto",
        description="Metric by which the best epoch is known. auto: early_stopping.metric if that is given, else "
        "val_loss, or loss without validation data. Validation scores are of the weights that are kept: with use_ema "
        "of the averages.",
    )
    early_stopping: EarlyStopping | None = Field(default=None, description="When to stop early; null: never.")
    checkpoint_minutes: float = Field(
        default=10.0,
        gt=0,
        description="Minutes after which a checkpoint is written, also inside an epoch. At the end of an epoch it is "
        "written sooner: as often as writing takes a few percent of the training.",
    )
    max_minutes: float | None = Field(
        default=None, gt=0, description="Minutes after which training ends, counted anew when a run is resumed."
    )
    keep_checkpoints: int = Field(
        default=2, ge=1, description="How many of the last checkpoints stay; the best always does."
    )
    tensorboard: bool = Field(default=True, description="Whether TensorBoard event files are written.")
    report: bool = Field(default=True, description="Whether report.html and its plots are written at the end.")

    def steps_per_epoch(self, examples: int) -> int:
        """Steps that one pass over so many training examples takes."""
        whole, rest = divmod(examples, self.batch_size)
        return whole + (1 if rest and not self.drop_remainder else 0)

    def total_steps(self, steps_per_epoch: int | None) -> int | None:
        """Steps of the whole training; None where that is not known without the steps of an epoch."""
        if self.steps is not None or steps_per_epoch is None:
            return self.steps
        return steps_per_epoch * (self.epochs or 1)

    @model_validator(mode="before")
    @classmethod
    def _fill_epochs(cls, data: Any) -> Any:
        lacks_both = isinstance(data, dict) and data.get("epochs") is None and data.get("steps") is None
        return {**data, "epochs": DEFAULT_EPOCHS} if lacks_both else data


@dataclass(frozen=True)
class Draft:
    """The parts of a spec that are well formed; the others are None, so that these can be checked all the same.

    Args:
        model_type: The model's class, which is known even where its keys are wrong.
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


@dataclass(frozen=True)
class Spec:
    """A checked spec with every default filled in."""

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

    def draft(self) -> Draft:
        """The spec as a draft of which every part is well formed."""
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
        )

    def plain(self) -> dict[str, Any]:
        """The spec as plain Python values, in the order in which it is written: what spec.yaml holds."""
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
            "training": self.training.model_dump(mode="json"),
            **({"tracking": self.tracking.plain()} if self.tracking else {}),
        }
