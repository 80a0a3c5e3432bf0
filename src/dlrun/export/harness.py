"""A folder with inputs and the code that loads an exported model in; what the model gives, and how fast, out.

A program of its own that runs without dlrun: `python -P harness.py FOLDER`. It is what proves that an exported model
needs no more than the code that dlrun prints for it.
"""

from __future__ import annotations

import json
import runpy
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Example = dict[str, npt.NDArray[Any]]

_SINGLY = 50
_WARM_UP, _TIMED, _TIMED_SECONDS = 3, 50, 2.0


def write_examples(folder: Path, examples: Sequence[Example]) -> None:
    """Write examples for another process: numbers as arrays, strings as JSON."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    texts: list[dict[str, Any]] = []
    for index, example in enumerate(examples):
        texts.append({name: value.tolist() for name, value in example.items() if value.dtype.kind in "OU"})
        arrays |= {f"{index} {name}": value for name, value in example.items() if value.dtype.kind not in "OU"}
    np.savez(folder / "examples.npz", allow_pickle=False, **arrays)
    (folder / "examples.json").write_text(json.dumps(texts))


def read_examples(folder: Path) -> list[Example]:
    """Read what `write_examples` has written."""
    texts = json.loads((folder / "examples.json").read_text())
    examples = [{name: np.array(value, dtype=object) for name, value in each.items()} for each in texts]
    with np.load(folder / "examples.npz") as arrays:
        for key in arrays.files:
            index, _, name = key.partition(" ")
            examples[int(index)][name] = arrays[key]
    return examples


def one_batch(examples: Sequence[Example]) -> Example | None:
    """All examples in one; None if they have several shapes."""
    first = examples[0]
    if any(each[name].shape != first[name].shape for each in examples for name in first):
        return None
    return {name: np.concatenate([each[name] for each in examples]) for name in first}


def median_seconds(call: Any, examples: Sequence[Example]) -> float:
    """How long one example takes, after some that are not counted."""
    for example in examples[:_WARM_UP]:
        call(example)
    seconds: list[float] = []
    until = time.perf_counter() + _TIMED_SECONDS
    while len(seconds) < _TIMED and time.perf_counter() < until:
        began = time.perf_counter()
        call(examples[len(seconds) % len(examples)])
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def run(folder: Path) -> None:
    """Run the model on the folder's examples, one at a time and together, and write what it gives."""
    examples, job = read_examples(folder), json.loads((folder / "job.json").read_text())
    predict = runpy.run_path(str(folder / "load.py"))["predict"]
    batch = one_batch(examples) if job["batches"] else None
    # Where all run in one batch anyway, some are enough: of a model with many inputs, Keras takes 0.1 s for each.
    singly = [predict(example) for example in (examples if batch is None else examples[:_SINGLY])]
    found = {f"singly {name}": np.concatenate([np.asarray(each[name]) for each in singly]) for name in job["outputs"]}
    if batch is not None:
        together = predict(batch)
        found |= {f"together {name}": np.asarray(together[name]) for name in job["outputs"]}
    found["seconds"] = np.array(median_seconds(predict, examples))
    np.savez(folder / "found.npz", allow_pickle=False, **found)


if __name__ == "__main__":
    sys.modules["dlrun"] = None  # type: ignore[assignment]  # whoever imports it now gets an ImportError
    run(Path(sys.argv[1]))
