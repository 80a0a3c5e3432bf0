"""The key `training.phases`: what changes at the end of an epoch, within one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from dlrun.component import Fields
from dlrun.models.parts.layer_selection import LayerSelection

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Phase(Fields):
    """A part of a training. A key that it lacks stays as in the phase before it."""

    epochs: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Number of epochs. The last phase lasts to the end of the training, and needs none."
    )
    trainable: LayerSelection | None = Field(
        default=None,
        description="Layers of the backbone that learn, as model.trainable; for another model than pretrained, of all "
        "layers but the head. null: as in the phase before; in the first one, as in the model.",
    )
    learning_rate: Rate | None = Field(
        default=None,
        description="Learning rate, the peak of the schedule, which starts anew. null: as before; in the first phase, "
        "that of the optimizer.",
    )
    backbone_learning_rate: Rate | None = Field(
        default=None, description="Learning rate of the backbone, if it differs. null: as before; learning_rate."
    )


@dataclass(frozen=True)
class SettledPhase:
    """A phase with everything that it takes over from those before it.

    Args:
        first_epoch: The number of epochs before it.
        epochs: Its number of epochs; None for the last one, which lasts to the end of the training.
        trainable: Layers of the backbone that learn.
        learning_rate: Learning rate of the head, and of the backbone if it has none of its own.
        backbone_learning_rate: Learning rate of the backbone; None for the same.
    """

    first_epoch: int
    epochs: int | None
    trainable: str
    learning_rate: float
    backbone_learning_rate: float | None

    @property
    def backbone_factor(self) -> float:
        """Learning rate of the backbone as a factor of the other."""
        return 1.0 if self.backbone_learning_rate is None else self.backbone_learning_rate / self.learning_rate

    def text(self, epochs: int) -> str:
        """Return the phase in words.

        Args:
            epochs: The number of epochs of the whole training.
        """
        last = epochs if self.epochs is None else min(epochs, self.first_epoch + self.epochs)
        rates = f"learning rate {self.learning_rate:g}"
        if self.backbone_learning_rate is not None:
            rates += f", of the backbone {self.backbone_learning_rate:g}"
        return f"epochs {self.first_epoch + 1} to {last}: trainable {self.trainable}, {rates}"


def settle_phases(phases: Sequence[Phase], *, trainable: str, learning_rate: float) -> tuple[SettledPhase, ...]:
    """Return the phases with the values that each takes over.

    Args:
        phases: The phases of the spec.
        trainable: What learns according to the model.
        learning_rate: Learning rate of the optimizer.
    """
    settled: list[SettledPhase] = []
    first, of_backbone = 0, None
    for phase in phases:
        trainable = phase.trainable or trainable
        learning_rate = phase.learning_rate or learning_rate
        of_backbone = phase.backbone_learning_rate or of_backbone
        settled.append(SettledPhase(first, phase.epochs, trainable, learning_rate, of_backbone))
        first += phase.epochs or 0
    return tuple(settled)


def with_length(data: Mapping[str, Any], *, default_epochs: int) -> dict[str, Any]:
    """Return the keys of `training` with the number of epochs that its phases have together.

    The last phase lasts to the end of the training. Its own number of epochs only says when that is, if the key
    `epochs` does not.

    Args:
        data: The keys as they are given.
        default_epochs: Epochs of a last phase that has no number.
    """
    phases = data.get("phases")
    if not isinstance(phases, list | tuple) or not all(isinstance(phase, Mapping) for phase in phases):
        return dict(data)
    counts = [phase.get("epochs") for phase in phases]
    if not phases or not all(isinstance(count, int) for count in counts[:-1]):
        return dict(data)
    last = counts[-1] if isinstance(counts[-1], int) else default_epochs
    changed = {**data}
    if data.get("epochs") is None and data.get("steps") is None:
        changed["epochs"] = sum(counts[:-1]) + last
    if counts[-1] is None or isinstance(counts[-1], int):
        changed["phases"] = (*phases[:-1], {**phases[-1], "epochs": None})
    return changed
