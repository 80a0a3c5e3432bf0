"""Generated positive, negative and neutral sentences, to train a text model without any file.

The last adjective of a sentence determines its class, and `not` before it turns good into bad. A model that only counts
words is right about three times in four; a model that reads them in order can always be right.
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


REMARK = "moods: generated sentences; a model that reads words in order can be right about every one"


@dataclass(frozen=True)
class Moods(TextFile):
    """The sentences, in the form of a file.

    Args:
        seed: Seed of the random generator.
    """

    seed: int = 0

    def names(self) -> tuple[str, ...]:
        """Return the column names that a file of these texts would have."""
        return (self.reading.text, self.reading.label)

    def rows(self, *, labelled: bool) -> Iterator[Row]:
        """Generate every sentence; the classes are equally likely."""
        # Stream 4, because `data/splits.py` holds out examples with streams 1 and 2 of the same seed.
        generator = np.random.Generator(np.random.PCG64([self.seed, 4]))
        for number in range(1, EXAMPLES + 1):
            mood = int(generator.integers(3))
            yield Row(number, _sentence(mood, generator), CLASSES[mood] if labelled else None)

    def size(self) -> int:
        """Return 0, because generated texts have no file."""
        return 0


def _sentence(mood: int, generator: np.random.Generator) -> str:
    """Return a sentence of at most ten words."""

    def one_of(words: tuple[str, ...]) -> str:
        return words[int(generator.integers(len(words)))]

    form = int(generator.integers(4))
    # "not bad" is positive, and "not good" negative, but "not green" is as neutral as "green".
    turned = form % 2 == 1 and mood != 1
    adjective = one_of(_ADJECTIVES[2 - mood if turned else mood])
    denied = "not " if form % 2 == 1 else ""
    adverb = f"{one_of(_ADVERBS)} " if generator.random() < 0.5 else ""
    last = f"the {one_of(_NOUNS)} was {denied}{adverb}{adjective}"
    if form < 2:
        return f"{one_of(_BEFORE)} {last}" if generator.random() < 0.5 else last
    return f"a {one_of(_ADJECTIVES[int(generator.integers(3))])} {one_of(_NOUNS)}, but {last}"
