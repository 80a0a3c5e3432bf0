"""Recognise a column that names the split of each row, by its values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dlrun.data.columns import ColumnSurvey
from dlrun.data.example_columns.columns import SPLITS, split_of
from dlrun.init_config.draft import Key, Section

_WEIGHTS = re.compile(r"(sample|example|instance|case|row|survey)?[ _.-]?weights?|w", re.IGNORECASE)


def weight_messages(surveys: Mapping[str, ColumnSurvey]) -> Iterator[str]:
    """Yield a message for each column that may hold the weights of rows, by its name and its numbers.

    It is not used as such: a weight may be that of a body, and then it is a feature.

    Args:
        surveys: Statistics of the columns that are features.
    """
    for name, survey in surveys.items():
        if _WEIGHTS.fullmatch(name) and survey.numeric and not survey.missing and 0 <= survey.low < survey.high:
            yield f"{name}: a feature; if it is what each row counts, --set dataset.weight={name} weighs the rows by it"


@dataclass(frozen=True)
class SplitColumn:
    """The column that names the split of each row.

    Args:
        name: Name of the column; empty if there is none.
        splits: Splits that it names, `train` first.
    """

    name: str = ""
    splits: tuple[str, ...] = ()

    @classmethod
    def of(cls, surveys: Mapping[str, ColumnSurvey]) -> SplitColumn:
        """Find the first column whose values are all names of splits, with rows for training and for another split."""
        for name, survey in surveys.items():
            found = {split_of(value) for value in survey.counts} if not survey.missing else set()
            if None not in found and "train" in found and len(found) > 1:
                return cls(name, tuple(split for split in SPLITS if split in found))
        return cls()

    def lines(self) -> Iterator[Key]:
        """Yield the key that makes the column the split of its rows."""
        if self.name:
            yield Key("split", self.name, f"the split of each row, because its values are {', '.join(self.splits)}")

    def held_out(self, section: Section) -> Section:
        """Return the keys for hold-outs without those of the splits that the column gives."""
        is_given = {key: key in self.splits for key in ("test", "validation")}
        if not self.name:
            return section
        return tuple(part for part in section if isinstance(part, Key) and not is_given.get(part.name, False))

    def messages(self) -> Iterator[str]:
        """Yield a message on the choice."""
        if self.name:
            yield f"split: {self.name}, because its values are {', '.join(self.splits)}"
