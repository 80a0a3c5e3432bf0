"""Texts: empty ones, long ones that are cut off, and words that the vocabulary does not have."""

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
"""Part of the texts that are empty, from which on there is hardly anything to learn from."""

CUT_OFF = 0.1
"""Part of the texts that are longer than what is read, above which their ends may be missed."""

_LITTLE = 0.01

UNKNOWN_WORDS = 0.1
"""Part of the words that the vocabulary does not have, above which texts lose their meaning."""


@dataclass(frozen=True)
class TokenFacts:
    """What a sample of texts is like.

    Args:
        lengths: Tokens of each text, before it is cut off.
        unknown: Part of the tokens that count that have no id of their own.
    """

    lengths: npt.NDArray[np.int64]
    unknown: float

    def longer_than(self, length: int) -> float:
        """Part of the texts."""
        return float((self.lengths > length).mean())


def token_facts(split: Split) -> TokenFacts:
    """Look at a sample of a split's texts."""
    places = sampled_places(split.features)
    stored: Any = np.asarray(split.features[places])
    counted, whole = stored != 0, split.lengths
    assert whole is not None  # noqa: S101  every split of texts has them
    lengths = np.asarray(whole[places], np.int64)
    is_text = lengths > 0
    tokens = int(counted[is_text].sum())
    unknown = int((stored[is_text] == OUT_OF_VOCABULARY).sum())
    return TokenFacts(lengths, unknown / tokens if tokens else 0.0)


def check_texts(inspected: Inspected) -> Iterator[Finding]:
    """Every split's texts."""
    raw = inspected.dataset.raw_input()
    if not isinstance(raw, TextInput):
        return
    for name, split in distinct_splits(inspected).items():
        facts = token_facts(split)
        yield _empty(name, facts)
        yield _cut_off(name, facts, raw)
        yield _unknown(name, facts, raw)


def check_text_columns(inspected: Inspected) -> Iterator[Finding]:
    """Columns of text in the training file of a table: how many rows are longer than what is read of them."""
    if inspected.columns is None:
        return
    length: int = inspected.source.text_length  # type: ignore[attr-defined]  # of a table or a series
    for name, lengths in inspected.columns.lengths.items():
        share = lengths.longer_than(length) / max(1, lengths.texts)
        threshold = f"{CUT_OFF:.0%} of the rows"
        said = f"{percent(share)} of the rows are longer than the {length:,} words that are read; the longest has "
        said += f"{lengths.longest:,}"
        if share <= CUT_OFF:
            yield Finding("pass", f"long texts {name}", said, threshold)
        else:
            advice = f"text_length: {lengths.length_of(1 - CUT_OFF / 2)} reads 95 of 100 to their end"
            yield Finding("warning", f"long texts {name}", said, threshold, advice)


def _empty(name: str, facts: TokenFacts) -> Finding:
    share = float((facts.lengths == 0).mean())
    threshold = f"none; a failure from {MANY_EMPTY:.0%} on"
    if not share:
        return Finding("pass", f"empty texts {name}", f"none of {len(facts.lengths):,}", threshold)
    said = (
        f"{int((facts.lengths == 0).sum()):,} of {len(facts.lengths):,} {name} texts ({percent(share)}) have no words"
    )
    is_little = share < _LITTLE or (facts.lengths == 0).sum() == 1
    status: Status = "failure" if share >= MANY_EMPTY else "note" if is_little else "warning"
    return Finding(status, f"empty texts {name}", said, threshold, "drop such rows from the file")


def _cut_off(name: str, facts: TokenFacts, raw: TextInput) -> Finding:
    share = facts.longer_than(raw.sequence_length)
    threshold = f"{CUT_OFF:.0%} of the texts"
    longest = int(facts.lengths.max())
    said = (
        f"{percent(share)} of the {name} texts are longer than the {raw.sequence_length:,} {raw.tokens} that are "
        f"read; the longest has {longest:,}"
    )
    if share <= CUT_OFF:
        return Finding("pass", f"long texts {name}", said, threshold)
    most = int(np.quantile(facts.lengths, 1 - CUT_OFF / 2))
    advice = f"sequence_length: {most} reads 95 of 100 to their end; with output_mode: tf_idf length costs little"
    return Finding("warning", f"long texts {name}", said, threshold, advice)


def _unknown(name: str, facts: TokenFacts, raw: TextInput) -> Finding:
    threshold = f"{UNKNOWN_WORDS:.0%} of the {raw.tokens}"
    said = (
        f"{percent(facts.unknown)} of the {raw.tokens} of {name} are not in the vocabulary of {len(raw.vocabulary):,}"
    )
    if facts.unknown <= UNKNOWN_WORDS:
        return Finding("pass", f"unknown words {name}", said, threshold)
    advice = "a larger vocabulary_size, or more training texts"
    return Finding("warning", f"unknown words {name}", said, threshold, advice)
