"""Select examples from a run's data or from a file, in the form that an exported model takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.data import EnsembleSource
from dlrun.data.interface import Interface
from dlrun.data.raw_input import Examples
from dlrun.errors import DataError
from dlrun.exporting.harness import Example
from dlrun.spec.types import Spec

if TYPE_CHECKING:
    from dlrun.exporting.export_model import ExportModel

MOST = 200
"""The number of examples that run one at a time; int8 needs more than a hundred to measure ranges."""

_MOST_READ = 5_000
_PATHS = ("test_path", "path")


@dataclass(frozen=True)
class Sample:
    """Some examples.

    Args:
        inputs: The examples in the form that the model of `RawInput.build` takes, each with a batch axis of 1.
        stored: The same examples in the form that the trained model takes.
        origin: A description of where they come from.
        is_generated: Whether they are random numbers and words, because there is no data.
    """

    inputs: tuple[Example, ...]
    stored: npt.NDArray[Any]
    origin: str
    is_generated: bool = False

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.inputs)


def most_examples(interface: Interface) -> int:
    """Return the number of examples to check a model with: fewer if their masks would not fit into memory."""
    return min(MOST, interface.rows_at_once) if interface.target.kind == "mask" else MOST


def read_sample(interface: Interface, source: str) -> Sample:
    """Return examples from a file or folder, spread evenly over it.

    Args:
        interface: The interface of the run.
        source: The path.

    Raises:
        DataError: It cannot be read, does not fit the model, or contains no examples.
    """
    inputs, stored = _spread(interface, interface.read(source))
    if not inputs:
        raise DataError(f"{source} contains no examples", expected="examples to check the exported model with")
    return Sample(tuple(inputs), np.concatenate(stored), source)


def own_sample(interface: Interface, spec: Spec) -> Sample | None:
    """Return examples from the data of a run, held-out ones if possible; None if its data is not in files.

    Args:
        interface: The interface of the run.
        spec: The spec of the run.

    Raises:
        DataError: The data is missing, or has changed.
    """
    if interface.raw.type != "array":
        # Datasets keep encoded examples in memory; the raw examples are only in the files.
        source_of = spec.dataset.members[0] if isinstance(spec.dataset, EnsembleSource) else spec.dataset
        places = (getattr(source_of, key, None) for key in _PATHS)
        source = next((place for place in places if place), None)
        return None if source is None else read_sample(interface, str(source))
    dataset = spec.dataset.load()
    name = next(name for name in ("test", "validation", "train") if name in dataset.splits)
    rows = dataset.splits[name].features
    chosen = np.unique(np.linspace(0, len(rows) - 1, MOST).astype(int))
    block = Examples([str(row) for row in chosen], np.asarray(rows[chosen]))
    inputs = tuple(_copied(interface.raw.deployed(block, index)) for index in range(len(chosen)))
    return Sample(inputs, block.stored, f"the {name} split of {dataset.name}")


def generated_sample(model: ExportModel, interface: Interface, *, count: int = 64) -> Sample:
    """Return examples of the right dtypes and shapes, made from random numbers and known words.

    Args:
        model: The parts of the model to export.
        interface: The interface of the run.
        count: The number of examples, at most.
    """
    count = min(count, most_examples(interface))
    random, given = np.random.default_rng(0), model.taken()
    words = _known_words(model)
    ids = interface.features.vocabulary_size
    inputs = tuple(
        {name: _random(tensor, random, words.get(name, []), ids) for name, tensor in given.items()}
        for _ in range(count)
    )
    stored = [np.asarray(model.raw(_tensors(model, each), training=False)) for each in inputs]
    return Sample(inputs, np.concatenate(stored), "generated", is_generated=True)


def _spread(interface: Interface, blocks: Iterable[Examples]) -> tuple[list[Example], list[npt.NDArray[Any]]]:
    """Return every n-th example, where n doubles whenever there are too many."""
    found: dict[int, tuple[Example, npt.NDArray[Any]]] = {}
    read, step, most = 0, 1, most_examples(interface)
    for block in blocks:
        while -(-(read + len(block)) // step) >= 2 * most:
            step *= 2
        # Whenever the step doubles, drop every second example kept so far; memory stays bounded for any length.
        found = {number: each for number, each in found.items() if number % step == 0}
        # The first index in this block whose number, counted over all blocks, is a multiple of the step.
        indices = range(-read % step, len(block), step)
        for index, example in zip(indices, interface.raw.deployed_several(block, indices), strict=True):
            found[read + index] = _copied(example), np.array(block.stored[index : index + 1])
        read += len(block)
        if read >= _MOST_READ:
            break
    if not found:
        return [], []
    kept = list(found.values())
    # There may be twice as many as wanted. The first ones alone would leave out the end of the data.
    kept = [kept[index] for index in np.unique(np.linspace(0, len(kept) - 1, most).astype(int))]
    return [example for example, _ in kept], [stored for _, stored in kept]


def _copied(example: Mapping[str, npt.NDArray[Any]]) -> Example:
    """Return a copy of an example, with strings as Python strings whatever numpy type they had."""
    return {
        name: np.array(value.tolist(), dtype=object) if value.dtype.kind not in "iufb" else np.array(value)
        for name, value in example.items()
    }


def _known_words(model: ExportModel) -> dict[str, list[str]]:
    from dlrun.exporting.export_model import Givens
    from dlrun.exporting.text_layers import string_layers

    found, givens = {}, Givens(model.raw)
    for layer in string_layers(model.raw):
        found[givens.name_of(layer.input) or ""] = [*layer.get_vocabulary(include_special_tokens=False), "unknown"]
    return found


def _random(tensor: Any, random: np.random.Generator, words: list[str], ids: int | None) -> npt.NDArray[Any]:
    # None is an axis of any length, such as the height of an image: each example gets another one.
    shape = (1, *(int(random.integers(24, 97)) if size is None else size for size in tensor.shape[1:]))
    if tensor.dtype == "string":
        return np.array(random.choice(words or [""], shape).tolist(), dtype=object)
    if np.dtype(tensor.dtype).kind in "iu":
        return random.integers(0, ids or 256, shape).astype(tensor.dtype)
    return random.standard_normal(shape).astype(tensor.dtype)


def _tensors(model: ExportModel, example: Example) -> Any:
    import tensorflow as tf

    values = model.packed(example, np.concatenate, are_own=True)
    tensors = {name: tf.constant(value.tolist() if value.dtype == object else value) for name, value in values.items()}
    return tensors if isinstance(model.raw.input, dict) else next(iter(tensors.values()))
