"""The interface of a trained model: its input and output, which predictions need besides the weights, as JSON."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from dlrun.data.array_input import ArrayInput
from dlrun.data.audio.input import AudioInput
from dlrun.data.audio.preprocess import AudioPreprocess
from dlrun.data.columns import ColumnsPreprocess
from dlrun.data.ensemble.input import EnsembleInput
from dlrun.data.ensemble.preprocess import EnsemblePreprocess
from dlrun.data.images.input import ImageInput
from dlrun.data.preprocess import ArrayPreprocess, Preprocess
from dlrun.data.raw_input import Examples, RawInput, begun, whole
from dlrun.data.series.input import SeriesInput
from dlrun.data.table.input import TableInput
from dlrun.data.text.input import TextInput
from dlrun.data.text.preprocess import TokenPreprocess
from dlrun.errors import RunError
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    from dlrun.data.dataset import Source

_MOST_ROWS, _BLOCK_BYTES = 8192, 2**26
_LARGEST_SIZE, _MOST_UNNAMED = 2**31, 2**20
"""Limits of plausible sizes: for the values of an example, and for classes or values without names in the file."""

# JSON needs a list of the kinds, which it distinguishes by `type`. For the type checker, they are the base classes.
if TYPE_CHECKING:
    Raw = RawInput
    AnyPreprocess = Preprocess
else:
    Raw = Annotated[
        ArrayInput | AudioInput | ImageInput | TableInput | TextInput | SeriesInput | EnsembleInput,
        Field(discriminator="type"),
    ]
    AnyPreprocess = Annotated[
        ArrayPreprocess | AudioPreprocess | ColumnsPreprocess | TokenPreprocess | EnsemblePreprocess,
        Field(discriminator="type"),
    ]


@dataclass(frozen=True)
class Interface:
    """The input and output of a model.

    Args:
        dataset: Name of the training data, for people.
        raw: How to read raw input as stored examples.
        preprocess: Preprocessing from stored examples to features.
        features: Features of the network.
        target: Target of the network, with the encoding of its loss.
    """

    dataset: str
    raw: Raw
    preprocess: AnyPreprocess
    features: Features
    target: Target

    @property
    def rows_at_once(self) -> int:
        """The number of examples to read at a time, which is smaller for large examples."""
        numbers = math.prod(self.preprocess.raw_shape)
        if self.target.kind == "mask":  # the probabilities of many classes take more than the image
            numbers = max(numbers, math.prod(self.features.shape[:-1]) * self.target.size)
        return max(1, min(_MOST_ROWS, _BLOCK_BYTES // (4 * numbers)))

    def names(self) -> Mapping[str, tuple[str, ...]]:
        """Return the names behind the numbers of features and targets, by what they name."""
        return {**self.raw.names(), "targets": self.target.names, "classes": self.target.class_names}

    def read_as(self, dataset: Source) -> Interface:
        """Return this interface with the current keys of the dataset for reading."""
        raw: Any = self.raw.read_as(dataset)
        return replace(self, raw=raw)

    def read(
        self,
        source: str | Sequence[str],
        *,
        target: Target | None = None,
        tell: Callable[[str], object] | None = None,
    ) -> Iterator[Examples]:
        """Read raw input block by block. The first block is read immediately, to report problems early.

        Args:
            source: One source, as for `RawInput.read`, or several.
            target: Target to read, too; None to read only features.
            tell: Function that receives messages on what is left out, and at the end on what is unknown from training.

        Raises:
            DataError: A source cannot be read, or does not fit the training data.
        """
        sources = (source,) if isinstance(source, str) else tuple(source)
        if len(sources) == 1:
            blocks = self.raw.read(sources[0], at_once=self.rows_at_once, target=target)
        else:
            blocks = self.raw.read_several(sources, at_once=self.rows_at_once, target=target)
        return begun(whole(blocks if tell is None else self.raw.watched(blocks, tell=tell), tell=tell))

    def plain(self) -> dict[str, Any]:
        """Return the interface as a JSON object."""
        plain: dict[str, Any] = _adapter().dump_python(self, mode="json")
        # It can change after the training, so run.json has it: one file, which changes as a whole.
        del plain["target"]["decision"]
        return plain


def parse_interface(text: bytes, *, origin: str) -> Interface:
    """Parse an interface that was written with `plain`.

    Args:
        text: The JSON text.
        origin: Name of the file for messages.

    Raises:
        RunError: The text is not a valid interface.
    """
    try:
        interface = _adapter().validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunError(f"{origin} is damaged: {where or 'the file'}: {first['msg']}") from error
    if problem := next(_problems(interface), ""):
        raise RunError(f"{origin} is damaged: {problem}")
    return interface


def _problems(interface: Interface) -> Iterator[str]:
    """Yield implausible sizes, for which the code would otherwise allocate memory."""
    features, target = interface.features, interface.target
    shapes = {"features.shape": features.shape, "preprocess.raw_shape": interface.preprocess.raw_shape}
    for name, shape in shapes.items():
        if any(length < 1 for length in shape) or math.prod(shape) > _LARGEST_SIZE:
            yield f"{name} is {list(shape)}"
    if features.vocabulary_size is not None and not 1 <= features.vocabulary_size <= _LARGEST_SIZE:
        yield f"features.vocabulary_size is {features.vocabulary_size}"
    for member in features.members:
        if any(length < 1 for length in member.shape) or math.prod(member.shape) > features.size:
            yield f"the features of a member have the shape {list(member.shape)}"
    for column in (each for part in (features, *features.members) for each in part.embedded):
        sizes = (column.categories, column.size, column.words or 0)
        if min(sizes[:2]) < 1 or sizes[2] < 0 or max(sizes) > _LARGEST_SIZE:
            yield f"features.embedded has the sizes {sizes}"
    yield from _problems_of_raw(interface.raw, interface.preprocess.raw_shape)
    for each in (target, *target.members):
        yield from _problems_of_target(each)


def _problems_of_raw(raw: Raw, stored: tuple[int, ...]) -> Iterator[str]:
    """Yield implausible sizes of raw input, and a shape that differs from that of stored examples."""
    for name, size in _whole_numbers(raw, "raw"):
        if not 0 <= size <= _LARGEST_SIZE:
            yield f"{name} is {size}" if abs(size) < _LARGEST_SIZE**2 else f"{name} has {len(str(size))} digits"
            return
    made: tuple[int, ...] = stored
    if isinstance(raw, ArrayInput):
        made = raw.shape
    elif isinstance(raw, ImageInput | AudioInput):
        made = raw.reader.shape
    elif isinstance(raw, TextInput):
        made = (raw.sequence_length,)
    elif isinstance(raw, SeriesInput):
        made = (raw.history, *stored[1:])
    elif isinstance(raw, EnsembleInput):
        made = (sum(math.prod(shape) for shape in raw.shapes),)
    if made != stored:
        yield f"raw returns examples of the shape {list(made)}, but preprocess.raw_shape is {list(stored)}"


def _whole_numbers(part: Any, name: str) -> Iterator[tuple[str, int]]:
    """Yield every whole number in a part of an interface, with its place."""
    if isinstance(part, int):
        yield name, part
    elif is_dataclass(part):
        for each in fields(part):
            yield from _whole_numbers(getattr(part, each.name), f"{name}.{each.name}")
    elif isinstance(part, tuple) and not isinstance(next(iter(part), ""), str):  # skip vocabularies
        for place, each in enumerate(part):
            yield from _whole_numbers(each, f"{name}.{place}")


def _problems_of_target(target: Target) -> Iterator[str]:
    named = target.size in (len(target.names), len(target.class_names))
    if not 1 <= target.size <= (_LARGEST_SIZE if target.kind == "input" or named else _MOST_UNNAMED):
        yield f"target.size is {target.size}"
        return
    columns = len(target.class_counts)
    lengths = {
        "class_names": (len(target.class_names), (0, target.size)),
        "mean": (len(target.mean), (0, 1, target.size)),
        "scale": (len(target.scale), (len(target.mean),)),
        "class_counts": (columns, (len(target.names),) if target.kind == "class_columns" else (0,)),
    }
    for name, (length, fitting) in lengths.items():
        if length not in fitting:
            yield f"target.{name} has {length} members, and target.size is {target.size}"
    if not all(map(math.isfinite, (*target.mean, *target.scale))):
        yield "target.mean or target.scale is not finite"
    yield from _problems_of_transform(target)
    if target.kind == "class_columns":
        if min(target.class_counts, default=0) < 1 or sum(target.class_counts) != target.size:
            yield f"target.class_counts is {list(target.class_counts)}, and target.size is {target.size}"
        elif len(target.class_names) == target.size and not target.names_its_columns:
            yield "target.class_names do not begin with the columns"


def _problems_of_transform(target: Target) -> Iterator[str]:
    expected = target.size if target.transform == "quantile" else 0
    if len(target.curves) != expected:
        yield f"target.curves has {len(target.curves)} members instead of {expected}"
    if target.transform != "none" and len(target.scale) != target.size:
        yield f"target.scale has {len(target.scale)} members instead of {target.size}"
    if any(not 0 < level < 1 for level in target.levels) or list(target.levels) != sorted({*target.levels}):
        yield f"target.levels is {list(target.levels)}"
    for curve in target.curves:
        increases = all(a < b for knots in (curve.x, curve.y) for a, b in itertools.pairwise(knots))
        if not 2 <= len(curve.x) == len(curve.y) or not increases or not all(map(math.isfinite, (*curve.x, *curve.y))):
            yield "target.curves does not consist of increasing numbers"
            return


@functools.cache
def _adapter() -> TypeAdapter[Interface]:
    return TypeAdapter(Interface)
