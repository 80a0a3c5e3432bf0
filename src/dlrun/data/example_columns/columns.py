"""Read the columns that describe the examples: the group, the split and the weight of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.data.columns.numbers import Notation, parse_numbers
from dlrun.data.columns.texts import MISSING_VALUES, as_texts, known_values
from dlrun.data.example_columns.keys import ExampleKeys
from dlrun.data.files.spelling import canonical_texts
from dlrun.errors import DataError
from dlrun.names import nearest

if TYPE_CHECKING:
    import pyarrow as pa

Place = Callable[[int], str]
"""Function from the number of a row to its place for messages."""

SPLITS = ("train", "validation", "test")
_SPELLINGS = {
    "train": "train", "training": "train",
    "validation": "validation", "val": "validation", "valid": "validation", "dev": "validation", "eval": "validation",
    "test": "test",
}  # fmt: skip
_SHOWN_GROUPS = 3


def split_of(text: str) -> str | None:
    """Return the split that a value names, in any case: `validation` for `Val`; None if it names none."""
    return _SPELLINGS.get(text.casefold())


@dataclass(frozen=True)
class WeightColumn:
    """The column of the weights of rows.

    Args:
        name: Name of the column.
        notation: Notation of its numbers in files.
    """

    name: str
    notation: Notation = "plain"

    def read(self, known: pa.Array, place: Place) -> npt.NDArray[np.float32]:
        """Return the weights of some rows.

        Args:
            known: Numbers or trimmed texts, null if missing.
            place: Place of a row, counted from 0.

        Raises:
            DataError: A weight is missing, negative, or no number; the error names the first row.
        """
        values, wrong = parse_numbers(known, self.notation)
        bad = ~(values >= 0)
        if wrong is not None:
            bad[wrong] = True
        if bad.any():
            row = int(np.argmax(bad))
            found = known[row].as_py()
            is_missing = found in (None, "") or str(found) == "nan"
            what = f"the weight {self.name!r} " + ("has no value" if is_missing else f"is {found!r}")
            hint = "0 leaves a row out of the loss and of all scores"
            raise DataError(f"{place(row)}: {what}", expected="a number from 0 to 1e18 in every row", hint=hint)
        return values.astype(np.float32)

    def read_written(self, values: Sequence[str | None], place: Place) -> npt.NDArray[np.float32]:
        """Return weights from values as they are written in a file.

        Args:
            values: The values, None if missing.
            place: Place of a row, counted from 0.

        Raises:
            DataError: As in `read`.
        """
        import pyarrow as pa

        return self.read(known_values(pa.array(values, pa.string()), MISSING_VALUES), place)

    def absent(self, label: str, *, noun: str = "row") -> str:
        """Return the message that data to evaluate lacks the column.

        Args:
            label: Name of the data.
            noun: What an example is.
        """
        return f"{label} has no weights (column {self.name!r}), so every {noun} counts once"


@dataclass(frozen=True)
class ExampleColumns:
    """The values of the columns that describe the examples, for all rows of all files.

    Args:
        group: Group of each row, -1 if missing; None without a group column.
        group_names: Names of the groups.
        split: Index into `SPLITS` of each row; None without a split column.
        weight: Weight of each row; None without a weight column.
    """

    group: npt.NDArray[np.int64] | None = None
    group_names: tuple[str, ...] = ()
    split: npt.NDArray[np.int8] | None = None
    weight: npt.NDArray[np.float32] | None = None

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the split column names."""
        return () if self.split is None else tuple(SPLITS[index] for index in np.unique(self.split).tolist())

    def divided(self, rows: npt.NDArray[np.integer]) -> dict[str, npt.NDArray[np.integer]]:
        """Return the rows of each split that the split column gives, in the order of the rows.

        Raises:
            DataError: No row is for training.
        """
        if self.split is None:
            return {"train": rows}
        of_split = self.split[rows]
        found = {name: rows[of_split == index] for index, name in enumerate(SPLITS)}
        if not len(found["train"]):
            given = ", ".join(name for name, of in found.items() if len(of))
            raise DataError(f"split: no row is for training, only for {given}", expected="rows with the value train")
        return {name: of for name, of in found.items() if len(of)}


@dataclass
class ExampleReader:
    """Collects the values of the columns that describe the examples, block by block.

    Args:
        keys: The keys that name the columns.
        weight: The column of weights; None if there is none.
    """

    keys: ExampleKeys
    weight: WeightColumn | None = None
    _groups: list[npt.NDArray[np.int64]] = field(default_factory=list)
    _splits: list[npt.NDArray[np.int8]] = field(default_factory=list)
    _weights: list[npt.NDArray[np.float32]] = field(default_factory=list)
    _ids: dict[str, int] = field(default_factory=dict)

    def add(self, known: Mapping[str, pa.Array], place: Place) -> None:
        """Read a block.

        Args:
            known: Values by column: numbers or trimmed texts, null if missing.
            place: Place of a row of this block, counted from 0.

        Raises:
            DataError: A value does not name a split, or is no weight; the error names the first row.
        """
        if self.keys.group is not None:
            self._groups.append(self._group(canonical_texts(as_texts(known[self.keys.group]))))
        if self.keys.split is not None:
            self._splits.append(_split_indices(self.keys.split, as_texts(known[self.keys.split]), place))
        if self.weight is not None:
            self._weights.append(self.weight.read(known[self.weight.name], place))

    def columns(self) -> ExampleColumns:
        """Return the values of all blocks."""
        return ExampleColumns(
            np.concatenate(self._groups) if self._groups else None,
            tuple(self._ids),
            np.concatenate(self._splits) if self._splits else None,
            np.concatenate(self._weights) if self._weights else None,
        )

    def _group(self, texts: pa.Array) -> npt.NDArray[np.int64]:
        # pyarrow numbers the texts of each block anew; these ids are the same in all blocks and files.
        encoded = texts.dictionary_encode()
        known = [self._ids.setdefault(text, len(self._ids)) for text in encoded.dictionary.to_pylist()]
        indices: Any = encoded.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
        return np.asarray(np.array([*known, -1])[indices], np.int64)


def refuse_missing_groups(groups: npt.NDArray[np.int64], name: str, place: Place) -> None:
    """Check that every row has a group.

    A row without a group could belong to any of them, so it could not be kept on one side of a split.

    Args:
        groups: Groups of the rows, -1 if missing.
        name: Name of the column.
        place: Place of a row.

    Raises:
        DataError: A group is missing; the error names the first row.
    """
    missing = groups < 0
    if missing.any():
        count = int(missing.sum())
        more = f"; {count:,} of {len(groups):,} rows have none" if count > 1 else ""
        raise DataError(
            f"{place(int(np.argmax(missing)))}: the group {name!r} has no value{more}",
            expected="a group in every row, because a row without one could be on another side than its group",
            hint="if these rows belong to no group, give each a value of its own",
        )


def refuse_shared_groups(
    by_split: Mapping[str, npt.NDArray[np.int64]], *, name: str, group_names: tuple[str, ...]
) -> None:
    """Check that the splits that the data gives share no group.

    It is an error and not a warning: `group` asks for scores on groups that are new to the model, and such a split
    would give others.

    Args:
        by_split: Groups of the rows of each split.
        name: Name of the column.
        group_names: Names of the groups.

    Raises:
        DataError: A group is in two splits.
    """
    splits = list(by_split)
    for index, first in enumerate(splits):
        for second in splits[index + 1 :]:
            shared = np.intersect1d(by_split[first], by_split[second])
            if len(shared):
                named = ", ".join(repr(group_names[group]) for group in shared[:_SHOWN_GROUPS])
                more = ", ..." if len(shared) > _SHOWN_GROUPS else ""
                groups = f"{len(shared):,} groups of {name!r} are" if len(shared) > 1 else f"a group of {name!r} is"
                raise DataError(
                    f"{groups} in both the {first} split and the {second} split: {named}{more}",
                    expected="each group in one split",
                    hint="move all rows of a group to one split, or remove the key group to allow this",
                )


def weight_note(weight: npt.NDArray[np.float32], name: str, *, noun: str = "row") -> str:
    """Return a note on the weights of the training examples.

    Args:
        weight: The weights.
        name: Name of the column.
        noun: What an example is: `row`, `text` or `image`.
    """
    low, mean, high = float(weight.min()), float(weight.mean(dtype=np.float64)), float(weight.max())
    range_of = f"{low:.4g} to {high:.4g}, mean {mean:.4g}, in the training {noun}s"
    return f"weight: {name} ({range_of}); losses, metrics and all other scores count each {noun} by it"


def _split_indices(name: str, texts: pa.Array, place: Place) -> npt.NDArray[np.int8]:
    encoded = texts.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    splits = [split_of(text) for text in values]
    table = np.array([*(-1 if split is None else SPLITS.index(split) for split in splits), -1], np.int8)
    indices: Any = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    found = np.asarray(table[indices], np.int8)
    if (found < 0).any():
        row = int(np.argmax(found < 0))
        text = texts[row].as_py()
        near = nearest(text or "", _SPELLINGS) if text else None
        raise DataError(
            f"{place(row)}: the split {name!r} is {text!r}"
            if text
            else f"{place(row)}: the split {name!r} has no value",
            expected="train (training), validation (val, valid, dev, eval) or test",
            hint=f"did you mean {near!r}?" if near else "leave the row out of the file if it belongs to no split",
        )
    return found
