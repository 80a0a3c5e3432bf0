"""What goes into a trained model and what comes out: all that a prediction needs besides the weights, as JSON."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from dlrun.data.array_input import ArrayInput
from dlrun.data.columns import ColumnsPreprocess
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
"""Values of an example, as far as an array reaches; and classes or values that may do without names in the file."""

# In JSON the kinds are told apart by their `type`, which needs a list of them; everyone else calls the base classes.
if TYPE_CHECKING:
    Raw = RawInput
    AnyPreprocess = Preprocess
else:
    Raw = Annotated[ArrayInput | ImageInput | TableInput | TextInput | SeriesInput, Field(discriminator="type")]
    AnyPreprocess = Annotated[ArrayPreprocess | ColumnsPreprocess | TokenPreprocess, Field(discriminator="type")]


@dataclass(frozen=True)
class Interface:
    """The two ends of a model.

    Args:
        dataset: Name of the data it was trained on, for people.
        raw: How raw input is read and becomes stored examples.
        preprocess: From stored examples to features.
        features: What the network is given.
        target: What it predicts, settled by its loss.
    """

    dataset: str
    raw: Raw
    preprocess: AnyPreprocess
    features: Features
    target: Target

    @property
    def rows_at_once(self) -> int:
        """Examples that are read and held at a time: some thousand small ones, some large ones."""
        return max(1, min(_MOST_ROWS, _BLOCK_BYTES // (4 * math.prod(self.preprocess.raw_shape))))

    def names(self) -> Mapping[str, tuple[str, ...]]:
        """Return the names behind the numbers of features and targets, by what they name."""
        return {**self.raw.names(), "targets": self.target.names, "classes": self.target.class_names}

    def read_as(self, dataset: Source) -> Interface:
        """The same with what the keys of the dataset say of reading."""
        raw: Any = self.raw.read_as(dataset)
        return replace(self, raw=raw)

    def read(
        self,
        source: str | Sequence[str],
        *,
        target: Target | None = None,
        tell: Callable[[str], object] | None = None,
    ) -> Iterator[Examples]:
        """Read raw input block by block, the first of them at once.

        Args:
            source: As `RawInput.read` takes it; or several of them.
            target: Also read what is to be predicted.
            tell: Called with a sentence on what is left out, and at the end on what training did not have; None: nobody
                asks.

        Raises:
            DataError: It cannot be read, or is not what the model was trained on.
        """
        sources = (source,) if isinstance(source, str) else tuple(source)
        if len(sources) == 1:
            blocks = self.raw.read(sources[0], at_once=self.rows_at_once, target=target)
        else:
            blocks = self.raw.read_several(sources, at_once=self.rows_at_once, target=target)
        return begun(whole(blocks if tell is None else self.raw.watched(blocks, tell=tell), tell=tell))

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        plain: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return plain


def parse_interface(text: bytes, *, origin: str) -> Interface:
    """Read an interface that `plain` has written.

    Args:
        text: JSON.
        origin: Where it is from, for messages.

    Raises:
        RunError: It is no interface.
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
    """Name what no model has: whoever goes on counts with sizes, and reserves memory for them."""
    features, target = interface.features, interface.target
    shapes = {"features.shape": features.shape, "preprocess.raw_shape": interface.preprocess.raw_shape}
    for name, shape in shapes.items():
        if any(length < 1 for length in shape) or math.prod(shape) > _LARGEST_SIZE:
            yield f"{name} is {list(shape)}"
    if features.vocabulary_size is not None and not 1 <= features.vocabulary_size <= _LARGEST_SIZE:
        yield f"features.vocabulary_size is {features.vocabulary_size}"
    for column in features.embedded:
        sizes = (column.categories, column.size, column.words or 0)
        if min(sizes[:2]) < 1 or sizes[2] < 0 or max(sizes) > _LARGEST_SIZE:
            yield f"features.embedded has the sizes {sizes}"
    yield from _problems_of_raw(interface.raw, interface.preprocess.raw_shape)
    yield from _problems_of_target(target)


def _problems_of_raw(raw: Raw, stored: tuple[int, ...]) -> Iterator[str]:
    """Name a stored example that is not what raw input becomes, and sizes that nothing has."""
    for name, size in _whole_numbers(raw, "raw"):
        if not 0 <= size <= _LARGEST_SIZE:
            yield f"{name} is {size}" if abs(size) < _LARGEST_SIZE**2 else f"{name} has {len(str(size))} digits"
            return
    made: tuple[int, ...] = stored
    if isinstance(raw, ArrayInput):
        made = raw.shape
    elif isinstance(raw, ImageInput):
        made = raw.form.shape
    elif isinstance(raw, TextInput):
        made = (raw.sequence_length,)
    elif isinstance(raw, SeriesInput):
        made = (raw.history, *stored[1:])
    if made != stored:
        yield f"raw gives examples of the shape {list(made)}, and preprocess.raw_shape is {list(stored)}"


def _whole_numbers(part: Any, name: str) -> Iterator[tuple[str, int]]:
    """Every whole number in a part of an interface, with its place."""
    if isinstance(part, int):
        yield name, part
    elif is_dataclass(part):
        for each in fields(part):
            yield from _whole_numbers(getattr(part, each.name), f"{name}.{each.name}")
    elif isinstance(part, tuple) and not isinstance(next(iter(part), ""), str):  # no vocabulary
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
    if target.kind == "class_columns":
        if min(target.class_counts, default=0) < 1 or sum(target.class_counts) != target.size:
            yield f"target.class_counts is {list(target.class_counts)}, and target.size is {target.size}"
        elif len(target.class_names) == target.size and not target.names_its_columns:
            yield "target.class_names do not begin with the columns"


@functools.cache
def _adapter() -> TypeAdapter[Interface]:
    return TypeAdapter(Interface)
