"""Raw input from texts: turns files in bulk, or single strings, into token ids in the same way."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dlrun.data.example_columns.columns import WeightColumn
from dlrun.data.raw_input import Array, Examples, RawInput
from dlrun.data.text.corpus import Named
from dlrun.data.text.files import files_of
from dlrun.data.text.labels import class_places, number_of, place_of
from dlrun.data.text.rows import TextFile, TextReading
from dlrun.data.text.tokens import OUT_OF_VOCABULARY, UNKNOWN, Encoder, Standardize, TokenKind
from dlrun.errors import DataError
from dlrun.names import nearest
from dlrun.signature import Target

if TYPE_CHECKING:
    import keras


_WHOLE_IN_FLOAT32 = 2.0**24
"""From this number on, float32 cannot represent every whole number."""


@dataclass(frozen=True)
class TextInput(RawInput):
    """Texts, which are split into tokens and looked up in a vocabulary.

    Args:
        reading: Columns and format of the files.
        tokens: How to split a text: into words or characters.
        standardize: How to standardize a text before splitting.
        vocabulary: Known tokens in the order of their ids, which begin at 2.
        sequence_length: Number of tokens of a text to use.
        type: Discriminator of the kinds of raw input.
        weight: Column of the weights of texts, which only an evaluation reads; None if all count once.
    """

    reading: TextReading
    tokens: TokenKind
    standardize: Standardize
    vocabulary: tuple[str, ...]
    sequence_length: int
    type: Literal["text"] = "text"
    weight: str | None = None

    @property
    def reads_weights(self) -> bool:
        """Whether the run has a column of weights."""
        return self.weight is not None

    def encoder(self) -> Encoder:
        """Return the encoder from a text to token ids."""
        return Encoder.of(self.vocabulary, kind=self.tokens, standardize=self.standardize, length=self.sequence_length)

    def read(self, source: str, *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read the rows of CSV, TSV, JSONL and Parquet files, the lines of a `.txt` file, or the files of a folder.

        A single `.txt` file contains one text per line; in a folder each `.txt` file is one text.
        """
        files, encode = files_of(source, self.reading), self.encoder()
        doubts = [warning for file in files for warning in file.warnings()]
        weight = WeightColumn(self.weight) if self.weight is not None and target is not None else None
        if weight is not None and any(weight.name not in file.names() for file in files):
            doubts.append(weight.absent(source, noun="text"))
            weight = None
        if weight is not None:
            reading = replace(self.reading, keep=(*self.reading.keep, weight.name))
            files = tuple(replace(file, reading=reading) for file in files)
        rows = (Named(file, row) for file in files for row in file.rows(labelled=target is not None))
        while batch := list(itertools.islice(rows, at_once)):
            stored = np.zeros((len(batch), self.sequence_length), np.int32)
            for row, named in zip(stored, batch, strict=True):
                ids = encode(named.row.text)
                row[: len(ids)] = ids
            yield Examples(
                [_name(named, alone=len(files) == 1) for named in batch],
                stored,
                None if target is None else _targets(batch, target),
                tuple(named.row.text for named in batch),
                "; ".join(doubts),
                kept={name: [named.row.kept[n] for named in batch] for n, name in enumerate(self.reading.keep)},
                weight=None if weight is None else _weights(batch, weight),
            )
            # The warnings are about the files, so only the first block reports them.
            doubts = []

    def read_as(self, dataset: Any) -> TextInput:
        """Return this input with the dataset's settings for the first line and for standard input."""
        header = getattr(dataset, "first_line", self.reading.header)
        standard_input = getattr(dataset, "standard_input", self.reading.standard_input)
        return replace(self, reading=replace(self.reading, header=header, standard_input=standard_input))

    def keeping(self, columns: Sequence[str]) -> TextInput:
        """Return this input with other columns of the files to keep."""
        return replace(self, reading=replace(self.reading, keep=tuple(columns)))

    def names(self) -> Mapping[str, tuple[str, ...]]:
        """Return the vocabulary."""
        return {"vocabulary": self.vocabulary}

    def build(self) -> keras.Model:
        """Return the Keras model from a string to token ids.

        Shape:
            Input: `text`, `(batch, 1)` strings. Output: `(batch, sequence_length)` int32.
        """
        import keras

        inputs = keras.Input((1,), dtype="string", name="text")
        ids = keras.layers.TextVectorization(
            standardize=None if self.standardize == "none" else self.standardize,
            split="whitespace" if self.tokens == "words" else "character",
            output_sequence_length=self.sequence_length,
            vocabulary=list(self.vocabulary),
            name="tokens",
        )(inputs)
        # An empty text becomes one unknown token: raise the first id to at least 1. Only an empty text has a lower one.
        least = np.zeros((1, self.sequence_length), np.int64)
        least[0, 0] = OUT_OF_VOCABULARY
        ids = keras.ops.maximum(ids, least)
        return keras.Model(inputs, keras.ops.cast(ids, "int32"), name="raw")

    def deployed(self, examples: Examples, index: int) -> Mapping[str, Array]:
        """Return the text itself."""
        return {"text": np.array([[examples.origin[index]]], object)}

    def shown(self, stored: Array) -> Mapping[str, str]:
        """Return the tokens of a stored row, with `[UNK]` for unknown ones."""
        between = " " if self.tokens == "words" else ""
        return {"text": between.join(self.token(number) for number in stored.tolist() if number)}

    def token(self, number: int) -> str:
        """Return the token of an id; empty for padding."""
        known = ("", UNKNOWN, *self.vocabulary)
        return known[number] if number < len(known) else ""


def _name(named: Named, *, alone: bool) -> str:
    file: TextFile = named.file
    return file.row_name(named.row.number) if alone else file.place(named.row.number)


def _targets(batch: list[Named], target: Target) -> Array:
    if target.kind == "classes":
        names = target.class_names or tuple(map(str, range(target.size)))
        index = class_places(names)
        return np.array([_class(named, index) for named in batch], np.int32)
    # float32 would merge neighbouring large numbers before the mean is subtracted, so keep float64 until then.
    is_far_from_0 = any(abs(mean) >= _WHOLE_IN_FLOAT32 for mean in target.mean)
    return np.array([_number(named) for named in batch], np.float64 if is_far_from_0 else np.float32)


def _weights(batch: list[Named], weight: WeightColumn) -> Array:
    return weight.read_written([named.row.kept[-1] for named in batch], lambda row: batch[row].place)


def _class(named: Named, index: Mapping[str, int]) -> int:
    label = named.row.label or ""
    number = place_of(label, index)
    if number is None:
        near = nearest(label, index)
        raise DataError(
            f"{named.place}: the label is {label!r}",
            expected="one of " + ", ".join(itertools.islice(index, 20)),
            hint=f"did you mean {near!r}?" if near else "",
        )
    return number


def _number(named: Named) -> float:
    number: Any = number_of(named.row.label or "")
    if number is None:
        raise DataError(f"{named.place}: the label is {named.row.label!r}", expected="a finite number")
    return float(number)
