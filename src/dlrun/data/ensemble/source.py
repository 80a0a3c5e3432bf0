"""The dataset of an ensemble: the datasets of its members, joined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from dlrun.component import FieldProblem, nested
from dlrun.data.dataset import Dataset, Source, datasets
from dlrun.data.ensemble.joining import join_datasets
from dlrun.data.splits import Array, Split
from dlrun.data.target_transform import transform_target
from dlrun.errors import DataError

if TYPE_CHECKING:
    MemberSource = Source
else:
    MemberSource = nested("dataset", datasets.find)


@datasets.register("ensemble")
class EnsembleSource(Source):
    """The datasets that the members of an ensemble were trained on, as `dlrun ensemble` writes them.

    They have the same test split, but each has its own preprocessing, and perhaps its own validation split.
    """

    reach_keys = ("members",)

    members: tuple[MemberSource, ...] = Field(description="The dataset of each member, as a section dataset.")

    def places(self) -> tuple[Path, ...]:
        """Return the files and folders of all members."""
        return tuple(dict.fromkeys(place for member in self.members for place in member.places()))

    def data_label(self, dataset: Dataset) -> str:
        """Return the paths of the data of the first member."""
        return self.members[0].data_label(dataset)

    def problems(self) -> Iterator[FieldProblem]:
        """Yield the keys that only the datasets of the members can have."""
        for key in ("validation", "test", "fold", "target_transform"):
            if getattr(self, key) not in (0, None, "none"):
                yield FieldProblem((key,), f"{key} is set for an ensemble", "the splits of its members")

    def slicing_problems(self, names: Sequence[str]) -> Iterator[FieldProblem]:
        """Yield the columns that the examples of the first member cannot be sliced by."""
        yield from self.members[0].slicing_problems(names)

    def read_slice_values(self, names: Sequence[str], splits: Mapping[str, Split]) -> Mapping[str, Mapping[str, Array]]:
        """Read columns of the files of the first member; the joined splits have the rows of its files.

        Raises:
            DataError: A file lacks a column, or has fewer examples than when the dataset was loaded.
        """
        return self.members[0].read_slice_values(names, splits)

    def load(self) -> Dataset:
        """Load the data of each member, and join the splits.

        Raises:
            DataError: The data of a member is missing, or the members have different test splits.
        """
        loaded: dict[str, Dataset] = {}
        for member in self.members:
            key = member.model_dump_json()
            if key not in loaded:
                loaded[key] = transform_target(_load(member), member.target_transform)
        return join_datasets([loaded[member.model_dump_json()] for member in self.members])


def _load(member: Source) -> Dataset:
    """Load the data of a member.

    Raises:
        DataError: It is missing or damaged; if its file or folder is missing, with the key of a new path.
    """
    try:
        return member.load()
    except DataError as error:
        missing = member.missing_paths()
        if not missing:
            raise
        hint = " ".join(f"--set dataset.members.*.{key}=PATH" for key in missing)
        raise DataError(error.what, expected=error.expected, hint=f"if the data has moved: {hint}") from error
