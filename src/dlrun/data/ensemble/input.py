"""Raw input of an ensemble whose members store the same examples in different forms."""

from __future__ import annotations

import io
import itertools
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from dlrun.data.array_input import ArrayInput
from dlrun.data.audio.input import AudioInput
from dlrun.data.ensemble.inlining import inlined
from dlrun.data.files.column_names import inner_names
from dlrun.data.images.input import ImageInput
from dlrun.data.raw_input import Array, Examples, RawInput
from dlrun.data.series.input import SeriesInput
from dlrun.data.table.input import TableInput
from dlrun.data.text.input import TextInput
from dlrun.errors import DataError, RunError
from dlrun.signature import Target

if TYPE_CHECKING:
    import keras

    MemberInput = RawInput
else:
    MemberInput = Annotated[
        ArrayInput | AudioInput | ImageInput | TableInput | TextInput | SeriesInput, Field(discriminator="type")
    ]


@dataclass(frozen=True)
class EnsembleInput(RawInput):
    """Examples that each member reads in its own form, such as with its own vocabulary.

    A stored example consists of those of the members, flattened, one after the other.

    Args:
        members: The raw input of each member.
        shapes: The shape of the stored examples of each member.
        type: Discriminator of the kinds of raw input.
    """

    members: tuple[MemberInput, ...]
    shapes: tuple[tuple[int, ...], ...]
    type: Literal["ensemble"] = "ensemble"

    @property
    def has_steps(self) -> bool:
        """Whether the examples are windows of a series."""
        return self.members[0].has_steps

    @property
    def reads_weights(self) -> bool:
        """Whether the first member reads the weights of examples, which count for the ensemble."""
        return self.members[0].reads_weights

    def read(self, source: str, *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read the examples of a source with each member, block by block.

        Raises:
            DataError: A member cannot read the source, or two members read different examples of it.
        """
        with _repeatable_standard_input(source) as rewind:
            streams = [
                _begun_after(rewind, member.read(source, at_once=at_once, target=target)) for member in self.members
            ]
            yield from self._joined(streams, source)

    def read_several(self, sources: Sequence[str], *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read several sources with each member, as the members do."""
        streams = [member.read_several(sources, at_once=at_once, target=target) for member in self.members]
        return self._joined(streams, ", ".join(sources))

    def _joined(self, streams: Sequence[Iterator[Examples]], source: str) -> Iterator[Examples]:
        for blocks in itertools.zip_longest(*streams):
            first = blocks[0]
            if any(block is None or list(block.names) != list(first.names) for block in blocks if block is not first):
                what = f"the members of the ensemble read different examples of {source}"
                raise DataError(what, expected="members with the same rules for what is left out")
            stored = np.concatenate([block.stored.reshape(len(block), -1) for block in blocks], axis=1)
            notes = "; ".join(dict.fromkeys(block.left_out for block in blocks if block.left_out))
            yield replace(first, stored=stored, origin=blocks, left_out=notes)

    def watched(self, blocks: Iterator[Examples], *, tell: Callable[[str], object]) -> Iterator[Examples]:
        """Yield the same blocks, and report what is unknown to a member; each message once."""
        told: set[str] = set()

        def once(text: str) -> None:
            if text not in told:
                told.add(text)
                tell(text)

        own, *copies = itertools.tee(blocks, len(self.members) + 1)
        watching = [
            member.watched(map(lambda block, index=index: block.origin[index], copy), tell=once)  # type: ignore[misc]
            for index, (member, copy) in enumerate(zip(self.members, copies, strict=True))
        ]
        # The members come first: one that refuses the last block has to do so before it is yielded.
        for *_, block in itertools.zip_longest(*watching, own):
            yield block

    def read_as(self, dataset: Any) -> EnsembleInput:
        """Return this input with the current keys of the members' datasets."""
        datasets = getattr(dataset, "members", ()) or itertools.repeat(dataset)
        return replace(
            self, members=tuple(member.read_as(own) for member, own in zip(self.members, datasets, strict=False))
        )

    def keeping(self, columns: Sequence[str]) -> EnsembleInput:
        """Return this input with columns to copy to the predictions."""
        return replace(self, members=(self.members[0].keeping(columns), *self.members[1:]))

    def names(self) -> Mapping[str, tuple[str, ...]]:
        """Return the names behind the stored numbers of each member."""
        return {
            f"{what} (member {number})": names
            for number, member in enumerate(self.members, start=1)
            for what, names in member.names().items()
        }

    def columns_of_stored(self) -> Mapping[str, tuple[int, ...]]:
        """Return the places of each column, in the parts of all members."""
        found: dict[str, tuple[int, ...]] = {}
        for first, shape, member in zip(self._firsts(), self.shapes, self.members, strict=True):
            places = np.arange(math.prod(shape)).reshape(shape) + first
            for name, of_column in member.columns_of_stored().items():
                found[name] = (*found.get(name, ()), *places[..., list(of_column)].reshape(-1).tolist())
        return found

    def shown(self, stored: Array) -> Mapping[str, str]:
        """Return the names and values of an example; what one member does not take, another may show."""
        found: dict[str, str] = {}
        for first, shape, member in zip(self._firsts(), self.shapes, self.members, strict=True):
            found |= {
                name: value
                for name, value in member.shown(stored[first : first + math.prod(shape)].reshape(shape)).items()
                if name not in found
            }
        return found

    def deployed(self, examples: Examples, index: int) -> Mapping[str, Array]:
        """Return one example as the inputs of the model of `build`."""
        return self.deployed_several(examples, [index])[0]

    def deployed_several(self, examples: Examples, indices: Sequence[int]) -> Sequence[Mapping[str, Array]]:
        """Return several examples as the inputs of the model of `build`."""
        found: list[dict[str, Array]] = [{} for _ in indices]
        for member, own, names in zip(self.members, examples.origin, self._input_names(), strict=True):
            for whole, part in zip(found, member.deployed_several(own, indices), strict=True):
                whole.update({names.get(name, name): value for name, value in part.items()})
        return found

    def build(self) -> keras.Model:
        """Build the Keras model with one input for each raw value; members that take the same value share the input."""
        return self._joined_model([member.build() for member in self.members])

    def build_packed(self) -> tuple[keras.Model, Mapping[str, tuple[str, ...]]]:
        """Build the same model with the packs of the members, if all pack the same inputs."""
        models, packs = zip(*(member.build_packed() for member in self.members), strict=True)
        renamed = [
            {pack: tuple(names.get(name, name) for name in inside) for pack, inside in own.items()}
            for own, names in zip(packs, self._input_names(), strict=True)
        ]
        if any(each != renamed[0] for each in renamed):
            return self.build(), {}
        return self._joined_model(models), renamed[0]

    def _joined_model(self, models: Sequence[keras.Model]) -> keras.Model:
        import keras

        inputs: dict[str, Any] = {}
        parts = []
        for index, (model, names) in enumerate(zip(models, self._input_names(), strict=True)):
            given = {}
            for tensor in model.inputs:
                name = names.get(tensor.name, tensor.name)
                if name not in inputs:
                    inputs[name] = keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
                self._check_alike(inputs[name], tensor, name)
                given[tensor.name] = inputs[name]
            part = inlined(model, given, prefix=f"member_{index}")
            parts.append(keras.layers.Flatten(dtype=part.dtype, name=f"stored_{index}")(part))
        joined = keras.layers.Concatenate(dtype=parts[0].dtype, name="stored")(parts)
        return keras.Model(inputs, joined, name="raw")

    def _input_names(self) -> list[dict[str, str]]:
        """Return, for each member, the names in the joined model of its inputs that are named after their columns."""
        joined = inner_names(tuple(self.columns_of_stored()))
        own = [inner_names(tuple(member.columns_of_stored())) for member in self.members]
        return [{name: joined[column] for column, name in names.items()} for names in own]

    def _check_alike(self, shared: Any, tensor: Any, name: str) -> None:
        """Check that two members take the same kind of value from a shared input.

        Raises:
            RunError: They do not, so the ensemble has no model of raw input.
        """
        if (shared.dtype, tuple(shared.shape)) == (tensor.dtype, tuple(tensor.shape)):
            return
        columns = {inner: column for column, inner in inner_names(tuple(self.columns_of_stored())).items()}
        found = " and ".join("text" if each.dtype == "string" else str(each.dtype) for each in (shared, tensor))
        what = f"two members of the ensemble take {columns.get(name, name)!r} as {found}"
        raise RunError(
            f"{what}, so an exported model cannot have one input for both",
            expected="members that read each column in the same way",
            hint="name the column under numeric or categorical in the config of every member",
        )

    def _firsts(self) -> list[int]:
        """Return where the part of each member begins in a stored example."""
        return [0, *itertools.accumulate(math.prod(shape) for shape in self.shapes[:-1])]


@contextmanager
def _repeatable_standard_input(source: str) -> Iterator[Callable[[], None]]:
    """Keep standard input in memory if it is the source, and yield a function that starts it again for each reader."""
    if source != "-":
        yield lambda: None
        return
    before = sys.stdin
    content = before.buffer.read()

    def rewind() -> None:
        sys.stdin = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")

    try:
        yield rewind
    finally:
        sys.stdin = before


def _begun_after(begin: Callable[[], None], blocks: Iterator[Examples]) -> Iterator[Examples]:
    """Call a function before the first block is read; the members read standard input when they begin."""
    begin()
    yield from blocks
