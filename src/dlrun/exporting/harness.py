"""Run an exported model on examples, and measure its speed, in a program that works without dlrun.

It is started as `python -P harness.py FOLDER`, with the examples and the loading code in the folder. This proves that
an exported model needs only the code that dlrun prints for it.
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

_MOST_SINGLY, _FEWEST_SINGLY = 50, 5
_VALUES_SINGLY = 20_000
"""How many values, over all inputs and examples, to predict one example at a time if a batch has run all of them."""

_WARM_UP, _TIMED, _TIMED_SECONDS = 3, 50, 0.5


def write_examples(folder: Path, examples: Sequence[Example]) -> None:
    """Write examples for another process: numbers as arrays, strings as JSON.

    Inputs with the same shape and dtype in all examples share one array, because there may be thousands of inputs.

    Args:
        folder: The folder to write to.
        examples: The examples.
    """
    names = [name for name, value in examples[0].items() if value.dtype.kind not in "OU"] if examples else []
    arrays: dict[str, npt.NDArray[Any]] = {}
    groups: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for name in names:
        first = examples[0][name]
        if all(each[name].shape == first.shape for each in examples):
            groups.setdefault((first.dtype.str, first.shape), []).append(name)
        else:
            arrays |= {f"{index} {name}": each[name] for index, each in enumerate(examples)}
    together = list(groups.values())
    for number, group in enumerate(together):
        arrays[f"group {number}"] = np.array([[each[name] for name in group] for each in examples])
    texts = [{name: value.tolist() for name, value in each.items() if value.dtype.kind in "OU"} for each in examples]
    np.savez(folder / "examples.npz", allow_pickle=False, **arrays)
    (folder / "examples.json").write_text(json.dumps({"texts": texts, "groups": together}))


def read_examples(folder: Path) -> list[Example]:
    """Read the examples that `write_examples` has written."""
    written = json.loads((folder / "examples.json").read_text())
    examples = [{name: np.array(value, dtype=object) for name, value in each.items()} for each in written["texts"]]
    with np.load(folder / "examples.npz") as arrays:
        for key in arrays.files:
            index, _, name = key.partition(" ")
            values = arrays[key]
            if index != "group":
                examples[int(index)][name] = values
                continue
            for example, each in zip(examples, values, strict=True):
                example |= dict(zip(written["groups"][int(name)], each, strict=True))
    return examples


def one_batch(examples: Sequence[Example]) -> Example | None:
    """Join examples to one batch; None if their shapes differ."""
    first = examples[0]
    if any(each[name].shape != first[name].shape for each in examples for name in first):
        return None
    return {name: np.concatenate([each[name] for each in examples]) for name in first}


def median_seconds(call: Any, examples: Sequence[Example]) -> float:
    """Return the median time of one example, after some calls that do not count."""
    for example in examples[:_WARM_UP]:
        call(example)
    seconds: list[float] = []
    # A large model stops at this time limit instead of the number of calls, so that the check stays short.
    until = time.perf_counter() + _TIMED_SECONDS
    while len(seconds) < _TIMED and time.perf_counter() < until:
        began = time.perf_counter()
        call(examples[len(seconds) % len(examples)])
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def _singly(inputs: int) -> int:
    """Return how many examples to run one at a time after a batch: 5,000 inputs take TensorFlow 0.1 s per example."""
    return max(_FEWEST_SINGLY, min(_MOST_SINGLY, _VALUES_SINGLY // inputs))


def run(folder: Path) -> None:
    """Run the model on the folder's examples, one at a time and as a batch, and write the outputs."""
    examples, job = read_examples(folder), json.loads((folder / "job.json").read_text())
    predict = runpy.run_path(str(folder / "load.py"))["predict"]
    batch = one_batch(examples) if job["batches"] else None
    singly = [predict(example) for example in (examples if batch is None else examples[: _singly(len(batch))])]
    found = {f"singly {name}": np.concatenate([np.asarray(each[name]) for each in singly]) for name in job["outputs"]}
    if batch is not None:
        together = predict(batch)
        found |= {f"together {name}": np.asarray(together[name]) for name in job["outputs"]}
    found["seconds"] = np.array(median_seconds(predict, examples))
    np.savez(folder / "found.npz", allow_pickle=False, **found)


if __name__ == "__main__":
    sys.modules["dlrun"] = None  # type: ignore[assignment]  # any import of dlrun raises an ImportError now
    run(Path(sys.argv[1]))
