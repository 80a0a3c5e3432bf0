"""Read the texts of a prepared set of tensorflow-datasets like those of files."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from dlrun.data.files.data_file import clean
from dlrun.data.splits import Split
from dlrun.data.text.corpus import FileCorpus
from dlrun.data.text.rows import Row, TextFile, TextReading
from dlrun.data.tfds.decode import quiet_absl
from dlrun.data.tfds.folder import Prepared, broken

_BATCH = 1024


def read_texts(prepared: Prepared, splits: Iterable[str]) -> tuple[dict[str, FileCorpus], dict[str, Split]]:
    """Return the texts of some splits, and splits whose features and target are both the class indices.

    Raises:
        DataError: A file is damaged.
    """
    reading = reading_of(prepared)
    corpora = {name: FileCorpus.of((TfdsTexts(prepared.name, reading, prepared, name),)) for name in splits}
    indices = {
        # -1 stands for a missing class, which `_labelled` in `source.py` finds.
        name: np.fromiter((int(found.row.label or -1) for found in corpus), np.int32)
        for name, corpus in corpora.items()
    }
    return corpora, {name: Split(found, found) for name, found in indices.items()}


def reading_of(prepared: Prepared) -> TextReading:
    """Return how to read files for predictions: their columns have the names of the features of the set."""
    return TextReading(prepared.features.key, prepared.label.key)


@dataclass(frozen=True)
class TfdsTexts(TextFile):
    """The texts of one split, labeled by class index.

    Args:
        prepared: The set.
        split: Name of the split.
    """

    prepared: Prepared
    split: str

    def names(self) -> tuple[str, ...]:
        """Return the names of the text and the label."""
        return (self.reading.text, self.reading.label)

    def rows(self, *, labelled: bool) -> Iterator[Row]:
        """Yield the examples in the order of the files. Bytes that are not UTF-8 become replacement characters."""
        import tensorflow as tf
        import tensorflow_datasets as tfds

        key, label = self.reading.text, self.reading.label
        try:
            with quiet_absl():
                records = tfds.builder_from_directory(self.prepared.folder).as_dataset(
                    split=self.split,
                    decoders=tfds.decode.PartialDecoding({key: True, label: True}),
                    read_config=tfds.ReadConfig(interleave_cycle_length=1, add_tfds_id=False),
                )
            numbers = itertools.count(1)
            for batch in records.batch(_BATCH).as_numpy_iterator():
                for text, found in zip(batch[key].tolist(), batch[label].tolist(), strict=True):
                    yield Row(next(numbers), clean(text.decode("utf-8", "replace")), str(found) if labelled else None)
        except (tf.errors.OpError, ValueError, OSError) as error:
            what = f"the split {self.split} cannot be read: {str(error).splitlines()[0]}"
            raise broken(self.prepared.folder, what) from error

    def size(self) -> int:
        """Return the size of the files in bytes."""
        return sum(file.stat().st_size for file in self.prepared.splits[self.split].files)

    def place(self, number: int) -> str:
        """Return the place of an example, for messages."""
        return f"{self.path}: example {number} of the split {self.split}"
