"""Texts and how they were divided in, splits of token ids out, with all that makes the same of other texts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from dlrun.data.preprocess import Preprocess
from dlrun.data.splits import Array, Split
from dlrun.data.text.corpus import FileCorpus, Named
from dlrun.data.text.input import TextInput
from dlrun.data.text.keys import TextKeys
from dlrun.data.text.rows import Reading
from dlrun.data.text.store import store
from dlrun.signature import Features


@dataclass(frozen=True)
class Vectorized:
    """Texts as numbers.

    Args:
        splits: Of token ids.
        raw: What makes token ids of a text.
        preprocess: What makes features of token ids.
        features: What the model gets.
        notes: The choices that were made.
    """

    splits: dict[str, Split]
    raw: TextInput
    preprocess: Preprocess
    features: Features
    notes: tuple[str, ...]


def numbered(targets: Mapping[str, Array]) -> dict[str, Split]:
    """Splits of the numbers of texts, which are counted through all of them, with their targets."""
    starts = itertools.accumulate(map(len, targets.values()), initial=0)
    return {
        name: Split(np.arange(start, start + len(target)), target)
        for (name, target), start in zip(targets.items(), starts, strict=False)
    }


def vectorize(
    corpora: Mapping[str, FileCorpus], splits: Mapping[str, Split], *, keys: TextKeys, reading: Reading
) -> Vectorized:
    """Adapt a vocabulary to the training split, and turn every text into token ids.

    Args:
        corpora: The texts, in the order of their numbers.
        splits: As `numbered` makes them and `arrange` divides them.
        keys: How texts become token ids.
        reading: How files are read that are predicted later.

    Raises:
        DataError: No training text has a token, or the disk is full.
    """
    counts = keys.count()
    total = 1 + max(int(split.features.max()) for split in splits.values())
    is_training = np.zeros(total, bool)
    is_training[splits["train"].features] = True
    for counted, named in zip(is_training, _chained(corpora), strict=False):
        if counted:
            counts.add(named.row.text)
    vocabulary, length, preprocess = keys.settle(counts)
    raw = TextInput(reading, keys.tokens, keys.standardize, vocabulary, length)
    stored, empty = store(_chained(corpora), splits, raw.encoder())
    notes = [*keys.told(counts, length=length)]
    if empty:
        notes.append(f"empty: {empty:,} texts without {keys.tokens} count as one unknown token")
    return Vectorized(stored, raw, preprocess, keys.features(length), tuple(notes))


def _chained(corpora: Mapping[str, FileCorpus]) -> Iterator[Named]:
    return itertools.chain.from_iterable(corpora.values())
