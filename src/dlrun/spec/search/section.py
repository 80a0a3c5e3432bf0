"""The keys of the section `search`, as a user writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from dlrun.component import Fields
from dlrun.spec.search.space import Space

DEFAULT_TRIALS = 50
COSTS = ("parameters", "seconds_per_example", "size_bytes")
"""Objectives besides the scores of a model, all of which should be small."""

SamplerName = Literal["tpe", "random", "grid", "qmc", "cmaes"]


class RangeKeys(Fields):
    """A number to choose between two bounds."""

    low: float = Field(allow_inf_nan=False, description="Smallest value.")
    high: float = Field(allow_inf_nan=False, description="Largest value.")
    log: bool = Field(
        default=False,
        description="Whether to choose on a logarithmic scale, as for learning rates: 0.001 to 0.01 is then as likely "
        "as 0.01 to 0.1.",
    )
    step: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Distance between two values, which must divide the range. null: any value of the range; any whole "
        "number if the key takes whole numbers.",
    )


class ChoiceKeys(Fields):
    """A value to choose from a list."""

    choices: tuple[Any, ...] = Field(
        min_length=1,
        description="Values: numbers, texts, lists, or groups of keys. Inside a group of keys, a value may be a range "
        "or choices again, which then count only where this group is chosen.",
    )


def is_range(value: Any) -> bool:
    """Return whether plain YAML keys describe a range, even if it is not complete."""
    return isinstance(value, dict) and ("low" in value or "high" in value)


def is_choices(value: Any) -> bool:
    """Return whether plain YAML keys describe choices."""
    return isinstance(value, dict) and "choices" in value


def _kind_of_axis(value: Any) -> str:
    """Return which of the two forms a key of the space has, so that only the errors of that form are reported."""
    return "a list" if is_choices(value) or isinstance(value, ChoiceKeys) else "a range"


_Axis = Annotated[
    Annotated[RangeKeys, Tag("a range")] | Annotated[ChoiceKeys, Tag("a list")], Discriminator(_kind_of_axis)
]


class Halving(Fields):
    """Asynchronous successive halving: stop trials early, and continue only the best of them.

    Reference:
        Li et al., A System for Massively Parallel Hyperparameter Tuning, 2020, arXiv:1810.05934
    """

    min_epochs: int = Field(default=1, ge=1, description="Epochs that every trial is trained.")
    factor: int = Field(
        default=3,
        ge=2,
        description="One of so many trials is continued, each time for so many times the epochs: with min_epochs 2 and "
        "factor 3, trials pause after 2, 6, 18, ... epochs.",
    )


class SearchKeys(Fields):
    """Search for the values that give the best validation score: each trial is a run with other values."""

    space: dict[str, _Axis] = Field(
        min_length=1,
        description="The keys to vary, with dots (optimizer.learning_rate), each with low and high or with choices.",
    )
    metric: str | Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="Validation score to improve, in its own direction. A list of several gives the trials that no "
        "other trial beats in all of them; it may contain parameters, seconds_per_example and size_bytes, which should "
        "be small. null: training.monitor.",
    )
    trials: int | None = Field(
        default=None,
        ge=1,
        description=f"Number of trials in all, not of additional ones. null: {DEFAULT_TRIALS}, or no limit if minutes "
        "is set.",
    )
    minutes: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="Minutes after which the search ends. null: no limit."
    )
    sampler: SamplerName = Field(
        default="tpe",
        description="How to choose the next point. tpe: more often near the best so far (NSGA-II with several metrics) "
        "· random · grid: every point in turn · qmc: evenly spread (scrambled Halton sequence) · cmaes: CMA-ES, for "
        "ranges only. tpe needs the extra `search`, cmaes the package cmaes.",
    )
    halving: Halving | None = Field(
        default=None,
        description="Pause trials early and continue only the best of them, exactly where they stopped. null: train "
        "every trial to its end.",
    )
    seeds: int = Field(
        default=1, ge=1, le=1000, description="Number of seeds to train each point with. Their mean score counts."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the choice of points.")
    keep_checkpoints: int | None = Field(
        default=3, ge=1, description="Number of the best trials whose checkpoints are kept. null: all."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_trials(cls, data: Any) -> Any:
        lacks_both = isinstance(data, dict) and data.get("trials") is None and data.get("minutes") is None
        return {**data, "trials": DEFAULT_TRIALS} if lacks_both else data

    @property
    def metrics(self) -> tuple[str, ...]:
        """The scores to improve as written; empty for that of `training.monitor`."""
        return (self.metric,) if isinstance(self.metric, str) else self.metric or ()


@dataclass(frozen=True)
class SearchSection:
    """The section `search` of a spec.

    Args:
        keys: Its keys as written, with defaults.
        space: The space of its key `space`.
    """

    keys: SearchKeys
    space: Space
