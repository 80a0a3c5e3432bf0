"""Generated sentences that say something good, bad or neither, so that a model of texts trains without any file.

What a sentence says lies in its last adjective, and `not` before it turns good into bad: whoever only counts words is
right about three times in four, whoever reads them in order can always be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dlrun.data.text.rows import Row, TextFile

EXAMPLES = 3000
CLASSES = ("negative", "neutral", "positive")

_NOUNS = (
    "film", "book", "soup", "hotel", "song", "garden", "lecture", "journey", "museum", "coffee", "concert", "story",
    "kitchen", "service", "view", "bread", "chair", "lamp", "bridge", "market", "play", "painting", "salad", "train",
    "beach", "evening", "weather", "music", "dinner", "room", "bicycle", "jacket", "phone", "camera", "keyboard", "tea",
)  # fmt: skip
_ADJECTIVES = (
    ("bad", "dull", "awful", "boring", "ugly", "poor", "dreadful", "cold", "noisy", "broken", "weak", "sad"),
    ("new", "round", "green", "wooden", "local", "modern", "square", "small", "old", "blue", "foreign", "plain"),
    (
        "good",
        "lovely",
        "brilliant",
        "charming",
        "warm",
        "clever",
        "fine",
        "superb",
        "bright",
        "fresh",
        "witty",
        "great",
    ),
)
_ADVERBS = ("very", "really", "rather", "quite", "so", "truly")
_BEFORE = ("I think", "we found", "she said", "honestly", "they say", "to me")


REMARK = "moods: generated sentences; whoever reads them in order can be right about every one"


@dataclass(frozen=True)
class Moods(TextFile):
    """The sentences, as if they stood in a file.

    Args:
        seed: They follow from it.
    """

    seed: int = 0

    def names(self) -> tuple[str, ...]:
        """As a file of this kind would call its columns."""
        return (self.reading.text, self.reading.label)

    def rows(self, *, labelled: bool) -> Iterator[Row]:
        """Every sentence, of as many of each class."""
        generator = np.random.Generator(np.random.PCG64([self.seed, 4]))
        for number in range(1, EXAMPLES + 1):
            mood = int(generator.integers(3))
            yield Row(number, _sentence(mood, generator), CLASSES[mood] if labelled else None)

    def size(self) -> int:
        """No bytes: they are in no file."""
        return 0


def _sentence(mood: int, generator: np.random.Generator) -> str:
    """A sentence of ten words at most."""

    def one_of(words: tuple[str, ...]) -> str:
        return words[int(generator.integers(len(words)))]

    form = int(generator.integers(4))
    turned = form % 2 == 1 and mood != 1
    said = one_of(_ADJECTIVES[2 - mood if turned else mood])
    denied = "not " if form % 2 == 1 else ""
    adverb = f"{one_of(_ADVERBS)} " if generator.random() < 0.5 else ""  # one half
    last = f"the {one_of(_NOUNS)} was {denied}{adverb}{said}"
    if form < 2:  # of four forms
        return f"{one_of(_BEFORE)} {last}" if generator.random() < 0.5 else last
    return f"a {one_of(_ADJECTIVES[int(generator.integers(3))])} {one_of(_NOUNS)}, but {last}"
