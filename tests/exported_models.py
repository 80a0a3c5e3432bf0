"""Models written to a format and run again, as the check of an export does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.exporting.checking import ExportCheck, check
from dlrun.exporting.examples import Sample
from dlrun.exporting.formats import FORMATS, Quantize
from dlrun.exporting.writing import WrittenModel, write

Make = Callable[..., Any]
Examples = Callable[..., list[dict[str, Any]]]


def exported(
    model: Any, examples: list[dict[str, Any]], path: Path, to: str, quantize: Quantize | None = None
) -> tuple[WrittenModel, ExportCheck]:
    """Write a model and run it as the check does."""
    import tensorflow as tf

    whole, names = model.whole(), model.inputs()
    given = [{name: tf.constant(each[own].tolist() if each[own].dtype == object else each[own])
              for name, own in names.items()} for each in examples]  # fmt: skip
    expected = {"probabilities": np.concatenate([whole(each, training=False)["probabilities"] for each in given])}
    sample = Sample(tuple(examples), np.empty(len(examples)), "odd ones")
    written = write(model, path, FORMATS[to], run="a run", sample=sample, quantize=quantize)
    measured = check(
        path,
        FORMATS[to],
        written.examples,
        expected=expected,
        target=model.target,
        limit=written.limit,
    )
    return written, measured


def needs(to: str) -> None:
    """Skip the test if the packages of a format are missing."""
    for package in FORMATS[to].packages:
        pytest.importorskip(package, reason=f"an export to {to} needs it: pip install 'dlrun[{to}]'")
