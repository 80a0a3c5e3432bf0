"""Read the rows of tables that columns are explained by: those of a file, of a held-out split, or to compare with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.data.interface import Interface
from dlrun.data.raw_input import Examples
from dlrun.errors import DataError
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import data_changes
from dlrun.runs.record import DatasetRecord

if TYPE_CHECKING:
    from dlrun.spec.parse import SpecFile

Array = npt.NDArray[Any]

COMPARED_ROWS = 200
_SPLIT_ROWS, MOST_ROWS = 2_000, 10_000
"""Maximum number of examples of a split, and of a file, for measuring the importance of columns."""


@dataclass(frozen=True)
class ExplainedRows:
    """Rows by which columns are explained.

    Args:
        examples: The rows, with their target if they have one.
        weights: Their weights; None for equal ones.
        split: The split that they are from; empty for those of a file.
        without: Why a file has no target; empty if it has one, or none is needed.
    """

    examples: Examples
    weights: Array | None
    split: str = ""
    without: str = ""


def read_table(interface: Interface, sources: Sequence[str]) -> ExplainedRows:
    """Return the first rows of files, with their target if they have one."""
    examples, without = _read_labelled(interface, sources)
    return ExplainedRows(examples, examples.weight, without=without)


def _read_labelled(interface: Interface, sources: Sequence[str]) -> tuple[Examples, str]:
    if interface.target.kind == "input":
        return _join(interface.read(sources)), ""
    try:
        return _join(interface.read(sources, target=interface.target)), ""
    except DataError as error:  # no labels, or another problem, which reading without labels raises again
        if "-" in sources:
            raise DataError(
                error.what, expected=error.expected, hint="standard input can be read only once, so it needs labels"
            ) from error
        return _join(interface.read(sources)), error.what


def _join(blocks: Iterator[Examples]) -> Examples:
    taken: list[Examples] = []
    for block in blocks:
        taken.append(block)
        if sum(map(len, taken)) >= MOST_ROWS:
            break
    targets = [block.target for block in taken if block.target is not None]
    target = np.concatenate(targets)[:MOST_ROWS] if targets else None
    names = [name for block in taken for name in block.names][:MOST_ROWS]
    weights = [block.weight for block in taken if block.weight is not None]
    weight = np.concatenate(weights)[:MOST_ROWS] if weights else None
    return Examples(names, np.concatenate([block.stored for block in taken])[:MOST_ROWS], target, weight=weight)


def read_held_out(folder: RunFolder, file: SpecFile, interface: Interface) -> ExplainedRows:
    """Return examples of the test split, or of the validation split if there is no other, or of the training split.

    Raises:
        DataError: The data cannot be read, has changed, or the run was made elsewhere.
    """
    if not file.trust.data:
        raise DataError(
            f"the data of {folder.id} is not read, because the run was made elsewhere", expected="an INPUT to explain"
        )
    dataset = file.spec.dataset.load()
    if changes := data_changes(folder, DatasetRecord.of(dataset), interface):
        label = file.spec.dataset.data_label(dataset)
        raise DataError(f"{label} has changed since the training: {'; '.join(changes)}", expected="an INPUT to explain")
    split = next(name for name in ("test", "validation", "train") if name in dataset.splits)
    of_split = dataset.splits[split]
    # Evenly spaced, because the rows of a file may be in some order.
    chosen = np.linspace(0, len(of_split) - 1, min(len(of_split), _SPLIT_ROWS)).astype(np.int64)
    part = of_split.take(chosen)
    names = [f"example {number}" for number in chosen.tolist()]
    examples = Examples(names, np.asarray(part.features), part.target)
    return ExplainedRows(examples, part.example_weight, split=split)


def training_rows(file: SpecFile) -> Array:
    """Return some rows of the training split to compare a single row, or those of an autoencoder, with.

    Raises:
        DataError: The training data cannot be read, or the run was made elsewhere.
    """
    if not file.trust.data:
        raise DataError(
            "the rows are compared with the training data, which is not read for a run that was made elsewhere",
            expected="a file of many rows and a model with a target, for which they are compared with each other",
        )
    features = file.spec.dataset.load().splits["train"].features
    chosen = np.random.default_rng(0).permutation(len(features))[:COMPARED_ROWS]
    return np.asarray(features[np.sort(chosen)])
