"""Predictions as a model would give them, for the tests of formats and of files."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dlrun.prediction.columns import OutputColumn
from dlrun.prediction.predict import PredictionBatch, Predictions

COLUMNS = (OutputColumn("name", is_text=True), OutputColumn("label", is_text=True), OutputColumn("probability"))
NAMES = ["row 0", 'a,"b".png', "=1+1", "Grüße\n2", "100%", "bad\udcff"]
NUMBERS = np.array([1, 0.1, 1e-30, np.nan, 0.33333334, 16777217], np.float32)
READABLE = [*NAMES[:-1], "bad\\udcff"]
IN_CSV = ["'=1+1" if text == "=1+1" else text for text in READABLE]


def predictions(*, ends: BaseException | None = None, repeat: int = 1) -> Predictions:
    def blocks() -> Iterator[PredictionBatch]:
        for _ in range(repeat):
            yield PredictionBatch((NAMES[:2], ["x", "y"], NUMBERS[:2]))
            yield PredictionBatch((NAMES[2:], ["%s", "", "b", "c"], NUMBERS[2:]))
        if ends is not None:
            raise ends

    return Predictions(COLUMNS, blocks())


def read_back(path: Path) -> tuple[list[str], list[float | None]]:
    """Names and numbers, as another program reads them."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(path).to_pydict()
        return table["name"], [None if np.isnan(number) else number for number in table["probability"]]
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file)) if path.suffix == ".csv" else [json.loads(line) for line in file]
    return [row["name"] for row in rows], [
        float(row["probability"]) if row["probability"] not in (None, "") else None for row in rows
    ]
