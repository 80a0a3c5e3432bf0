"""Convert splits of texts to splits of token ids, with everything that converts other texts in the same way."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from dlrun.data.mapped import drop_pages
from dlrun.data.preprocess import Preprocess
from dlrun.data.splits import Array, Split
from dlrun.data.text.corpus import FileCorpus, Named
from dlrun.data.text.input import TextInput
from dlrun.data.text.keys import TextKeys
from dlrun.data.text.rows import TextReading
from dlrun.data.text.tokens import Encoder
from dlrun.errors import DataError
from dlrun.signature import Features
from dlrun.system.scratch import scratch_array

_IN_MEMORY_BYTES = 2**28
_ID_BYTES = 4
_ORIGINS = 200_000
_ORIGIN_CHARACTERS = 200
_DROPPED_EVERY = 2**14  # texts


@dataclass(frozen=True)
class Vectorized:
    """Texts as token ids.

    Args:
        splits: Splits of token ids.
        raw: Raw input that converts a text to token ids.
        preprocess: Preprocessing from token ids to features.
        features: Features of the model's input.
        notes: Notes on the choices that were made.
    """

    splits: dict[str, Split]
    raw: TextInput
    preprocess: Preprocess
    features: Features
    notes: tuple[str, ...]


def numbered(targets: Mapping[str, Array]) -> dict[str, Split]:
    """Return splits of text numbers, counted through all splits, with their targets."""
    splits, start = {}, 0
    for name, target in targets.items():
        numbers = np.arange(start, start + len(target))
        splits[name] = Split(numbers, target, rows=numbers)
        start += len(target)
    return splits


def vectorize(
    corpora: Mapping[str, FileCorpus], splits: Mapping[str, Split], *, keys: TextKeys, reading: TextReading
) -> Vectorized:
    """Adapt a vocabulary to the training split, and convert every text to token ids.

    Args:
        corpora: Texts in the order of their numbers.
        splits: Splits of text numbers, as `numbered` returns them, after test and validation are held out.
        keys: Conversion of texts to token ids.
        reading: Columns and format of files for later predictions.

    Raises:
        DataError: No training text contains a token, or the disk is full.
    """
    counts = keys.count()
    # Held-out texts are scattered over the files, so a mask over all numbers tells which ones to count.
    total = 1 + max(int(split.features.max()) for split in splits.values())
    is_training = np.zeros(total, bool)
    is_training[splits["train"].features] = True
    # Not strict: if a file has lost rows since, `store` reports it with the numbers of texts.
    for counted, named in zip(is_training, _chained(corpora), strict=False):
        if counted:
            counts.add(named.row.text)
    vocabulary, length, preprocess = keys.settle(counts)
    raw = TextInput(reading, keys.tokens, keys.standardize, vocabulary, length)
    stored, empty = store(_chained(corpora), splits, raw.encoder())
    notes = [*keys.notes(counts, length=length)]
    if empty:
        notes.append(f"empty: {empty:,} texts without {keys.tokens} count as one unknown token")
    return Vectorized(stored, raw, preprocess, keys.features(length), tuple(notes))


def _chained(corpora: Mapping[str, FileCorpus]) -> Iterator[Named]:
    return itertools.chain.from_iterable(corpora.values())


def store(texts: Iterable[Named], splits: Mapping[str, Split], encode: Encoder) -> tuple[dict[str, Split], int]:
    """Encode every text.

    Args:
        texts: All texts in the order of their numbers.
        splits: Splits of text numbers with targets.
        encode: Encoder from a text to its ids.

    Returns:
        The splits with token ids, and the number of texts without any token.

    Raises:
        DataError: The files have changed since they were counted, or the disk is full.

    Shape:
        features: `(texts, length)` int32, padded with 0.
    """
    unique = {id(split): split for split in splits.values()}  # the validation split may be the test split
    total = sum(len(split) for split in unique.values())
    in_memory = total * encode.length * _ID_BYTES <= _IN_MEMORY_BYTES
    made = {key: _empty(split, encode.length, in_memory=in_memory) for key, split in unique.items()}
    owner: list[Split] = list(made.values())
    # Texts come in the order of the files: look up the split of each number, and its position there.
    which, where = np.zeros(total, np.intp), np.zeros(total, np.intp)
    for index, split in enumerate(unique.values()):
        which[split.features], where[split.features] = index, np.arange(len(split))
    found, without_tokens = 0, 0
    for found, (named, number, position) in enumerate(zip(texts, which, where, strict=False), start=1):
        split, (ids, length) = owner[number], encode.with_length(named.row.text)
        split.features[position, : len(ids)] = ids
        without_tokens += not length
        if split.lengths is not None:
            split.lengths[position] = length
        if split.origins is not None:
            split.origins[position] = named.row.text[:_ORIGIN_CHARACTERS]
        if found % _DROPPED_EVERY == 0:
            drop_pages(split.features for split in owner)
    if found != total:
        raise DataError(f"the files changed while they were read: {found:,} texts, not {total:,}")
    return {name: made[id(split)] for name, split in splits.items()}, without_tokens


def _empty(split: Split, length: int, *, in_memory: bool) -> Split:
    """Return a split with empty arrays for token ids, beginnings of texts, and lengths."""
    shape = (len(split), length)
    features = np.zeros(shape, np.int32) if in_memory else scratch_array(shape, "int32")
    origins = np.empty(len(split), object) if len(split) <= _ORIGINS else None
    lengths = np.zeros(len(split), np.int32)
    return replace(split, features=features, origins=origins, lengths=lengths, group=None)
