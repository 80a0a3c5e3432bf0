"""The YAML keys for columns that describe the examples: their group, their split, and their weight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from dlrun.component import FieldProblem, Fields

ExampleKey = Literal["group", "split", "weight"]
KEYS: tuple[ExampleKey, ...] = ("group", "split", "weight")

_Column = Annotated[str, Field(min_length=1)]
_REASONS: dict[ExampleKey, str] = {
    "group": "it is the group of each row (dataset.group)",
    "split": "it names the split of each row (dataset.split)",
    "weight": "it is the weight of each row (dataset.weight)",
}


class ExampleKeys(Fields):
    """Columns that describe the examples and are not features."""

    group: _Column | None = Field(
        default=None,
        description="Column of groups, such as a patient's id: rows of one group are held out together, so that none "
        "is on two sides of a split. Sizes are then as near as whole groups allow. null: no groups.",
    )
    split: _Column | None = Field(
        default=None,
        description="Column that names the split of each row: train (training), validation (val, valid, dev, eval) or "
        "test, in any case. null: all rows of `path` are for training, before test and validation are held out.",
    )
    weight: _Column | None = Field(
        default=None,
        description="Column of weights, numbers of 0 or more: what each row counts in the loss, in metrics and in all "
        "other scores, of every split. Only their ratio matters. null: every row counts once.",
    )

    @property
    def described_by(self) -> dict[ExampleKey, str]:
        """The column of each of these keys that is set."""
        found = {key: getattr(self, key) for key in KEYS}
        return {key: name for key, name in found.items() if name is not None}

    @property
    def example_columns(self) -> dict[str, str]:
        """The reason why each of these columns is not a feature, by name."""
        return {name: _REASONS[key] for key, name in self.described_by.items()}

    def example_problems(self, used: Mapping[str, Sequence[str]]) -> Iterator[FieldProblem]:
        """Yield the problems of these keys: a column with two roles, and two ways to give one split.

        Args:
            used: Columns with another role, by the key that names them.
        """
        roles = {name: key for key, names in used.items() for name in names}
        for own, name in self.described_by.items():
            if name in roles:
                yield FieldProblem((own,), f"{name!r} is also the column of {roles[name]}", "another column")
            roles[name] = own
        if self.split is None:
            return
        for key in ("validation_path", "test_path"):
            if getattr(self, key, None) is not None:
                what = f"the column {self.split!r} gives the splits, but {key} is set, too"
                yield FieldProblem((key,), what, "only one of them", f"remove {key}, or split")
