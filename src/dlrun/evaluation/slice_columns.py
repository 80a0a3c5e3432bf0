"""Read the columns that the examples of a file are grouped by, beside the examples themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from dlrun.data.columns import ColumnKeys, slice_problems, written_values
from dlrun.data.columns.texts import MISSING_VALUES
from dlrun.data.ensemble.source import EnsembleSource
from dlrun.data.files.data_file import advice_on_absent
from dlrun.data.files.json_lines import JsonLinesFile
from dlrun.data.files.locate import kind_by_name, open_file
from dlrun.data.interface import Interface
from dlrun.data.table.input import TableInput
from dlrun.data.text.input import TextInput
from dlrun.errors import UsageError
from dlrun.experiment.slices import refuse_problems

if TYPE_CHECKING:
    from dlrun.data import Source

Array = npt.NDArray[Any]


def keeping_columns(interface: Interface, source: str, by: Sequence[str]) -> Interface:
    """Return an interface that reads some columns of a file beside the examples.

    Args:
        interface: The interface of the run.
        source: The file.
        by: Names of the columns, features or not; empty for none.

    Raises:
        UsageError: The file has no such column, or no columns at all.
        DataError: The file cannot be read.
    """
    if not by:
        return interface
    raw: Any = interface.raw
    if isinstance(raw, TableInput) and source != "-":  # standard input can be read only once
        with raw.reading.open(source) as table:
            refuse_problems([*slice_problems(by, table)])
    elif isinstance(raw, TextInput) and kind_by_name(source) not in (None, JsonLinesFile) and Path(source).is_file():
        # Lines of JSON may have different keys, so each of them is checked when it is read.
        file = open_file(Path(source), raw.reading.file_format, head_only=True)
        for name in by:
            if name not in file.names:
                expected, hint = advice_on_absent(name, file.names, row_like=file.row_like)
                raise UsageError(f"--by: there is no column {name!r} in {source}", expected=expected, hint=hint)
    try:
        raw = raw.keeping(by)
    except UsageError as error:
        what = f"--by: the examples of {source} cannot be sliced by {', '.join(by)}, because they have no columns"
        raise UsageError(what, expected="a run on a table, on texts, or on images listed in a file") from error
    return replace(interface, raw=raw)


def kept_values(kept: Mapping[str, Sequence[str | None]], dataset: Source) -> Mapping[str, Array]:
    """Return the values of columns of a file in the form to group its examples by; see `slice_values`.

    Args:
        kept: Values of each column as in the file, None if missing.
        dataset: The dataset of the spec, whose keys say how values are read.
    """
    # All members of an ensemble read the same columns.
    own = dataset.members[0] if isinstance(dataset, EnsembleSource) else dataset
    keys = own if isinstance(own, ColumnKeys) else None
    listed, missing = (keys.listed, keys.missing_texts) if keys else ({}, MISSING_VALUES)
    return {
        name: written_values(values, missing, is_category=listed.get(name) in ("categorical", "text"))
        for name, values in kept.items()
    }
