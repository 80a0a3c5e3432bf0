"""Check texts: empty texts, long texts that are truncated, and unknown words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.inspection.finding import Finding, Status, percent
from dlrun.data.inspection.inspected import Inspected, distinct_splits, sampled_places
from dlrun.data.splits import Split
from dlrun.data.text.input import TextInput
from dlrun.data.text.tokens import OUT_OF_VOCABULARY

MANY_EMPTY = 0.5
"""Fraction of empty texts from which on there is too little to learn from."""

CUT_OFF = 0.1
"""Fraction of truncated texts above which their ends may matter."""

_LITTLE = 0.01

UNKNOWN_WORDS = 0.1
"""Fraction of unknown words above which texts lose their meaning."""


@dataclass(frozen=True)
class TokenFacts:
    """The tokens of a sample of texts.

    Args:
        lengths: Number of tokens of each text before truncation.
        unknown: Fraction of unknown tokens among those that are read.
    """

    lengths: npt.NDArray[np.int64]
    unknown: float

    def longer_than(self, length: int) -> float:
        """Return the fraction of texts with more tokens than `length`."""
        return float((self.lengths > length).mean())


def token_facts(split: Split) -> TokenFacts:
    """Return the token facts of a sample of a split."""
    places = sampled_places(split.features)
    stored: Any = np.asarray(split.features[places])
    counted, whole = stored != 0, split.lengths
    assert whole is not None  # noqa: S101  every split of texts has lengths
    lengths = np.asarray(whole[places], np.int64)
    # An empty text is stored as one unknown token, which must not count as an unknown word.
    is_text = lengths > 0
    tokens = int(counted[is_text].sum())
    unknown = int((stored[is_text] == OUT_OF_VOCABULARY).sum())
    return TokenFacts(lengths, unknown / tokens if tokens else 0.0)


def check_texts(inspected: Inspected) -> Iterator[Finding]:
    """Check the texts of every split."""
    raw = inspected.dataset.raw_input()
    if not isinstance(raw, TextInput):
        return
    for name, split in distinct_splits(inspected).items():
        facts = token_facts(split)
        yield _empty(name, facts)
        yield _cut_off(name, facts, raw)
        yield _unknown(name, facts, raw)


def check_text_columns(inspected: Inspected) -> Iterator[Finding]:
    """Check how many texts of each text column of a table are truncated."""
    if inspected.columns is None:
        return
    length: int = inspected.source.text_length  # type: ignore[attr-defined]  # of a table or a series
    for name, lengths in inspected.columns.lengths.items():
        share = lengths.longer_than(length) / max(1, lengths.texts)
        threshold = f"{CUT_OFF:.0%} of the rows"
        found = f"{percent(share)} of the rows are longer than the {length:,} words that are read; the longest has "
        found += f"{lengths.longest:,}"
        if share <= CUT_OFF:
            yield Finding("pass", f"long texts {name}", found, threshold)
        else:
            advice = f"text_length: {lengths.length_of(1 - CUT_OFF / 2)} reads 95 of 100 texts to their end"
            yield Finding("warning", f"long texts {name}", found, threshold, advice)


def _empty(name: str, facts: TokenFacts) -> Finding:
    share = float((facts.lengths == 0).mean())
    threshold = f"none; a failure from {MANY_EMPTY:.0%} on"
    if not share:
        return Finding("pass", f"empty texts {name}", f"none of {len(facts.lengths):,}", threshold)
    found = (
        f"{int((facts.lengths == 0).sum()):,} of {len(facts.lengths):,} {name} texts ({percent(share)}) have no words"
    )
    # A single empty text can be a large fraction of a small split.
    is_little = share < _LITTLE or (facts.lengths == 0).sum() == 1
    status: Status = "failure" if share >= MANY_EMPTY else "note" if is_little else "warning"
    return Finding(status, f"empty texts {name}", found, threshold, "remove such rows from the file")


def _cut_off(name: str, facts: TokenFacts, raw: TextInput) -> Finding:
    share = facts.longer_than(raw.sequence_length)
    threshold = f"{CUT_OFF:.0%} of the texts"
    longest = int(facts.lengths.max())
    found = (
        f"{percent(share)} of the {name} texts are longer than the {raw.sequence_length:,} {raw.tokens} that are "
        f"read; the longest has {longest:,}"
    )
    if share <= CUT_OFF:
        return Finding("pass", f"long texts {name}", found, threshold)
    # Half the tolerated fraction, so that whoever follows the advice passes this check with room to spare.
    most = int(np.quantile(facts.lengths, 1 - CUT_OFF / 2))
    advice = f"sequence_length: {most} reads 95 of 100 texts to their end; with output_mode: tf_idf length costs little"
    return Finding("warning", f"long texts {name}", found, threshold, advice)


def _unknown(name: str, facts: TokenFacts, raw: TextInput) -> Finding:
    threshold = f"{UNKNOWN_WORDS:.0%} of the {raw.tokens}"
    found = (
        f"{percent(facts.unknown)} of the {raw.tokens} of {name} are not in the vocabulary of {len(raw.vocabulary):,}"
    )
    if facts.unknown <= UNKNOWN_WORDS:
        return Finding("pass", f"unknown words {name}", found, threshold)
    advice = "use a larger vocabulary_size, or more training texts"
    return Finding("warning", f"unknown words {name}", found, threshold, advice)
