"""Compute the output of a frozen network once for each example, and keep it in the cache.

Each example is computed in a batch of the same size, so that its features depend on nothing but itself: they are the
same to the bit whether they are computed now or were kept by an earlier run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dlrun.system.cache import Cache, Cached
from dlrun.training.progress.events import WARNING, Listener, Note
from dlrun.training.variables import weights_sha256

AT_ONCE = 64
"""Number of examples in a batch."""

_FILE = "features.npy"

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class FrozenNetwork:
    """The part of a model whose output is the same in each epoch.

    Args:
        preprocess: The model that turns stored examples into features of the whole model.
        core: The whole model.
        layer: The name of the layer whose output is kept.
        premises: What the bits of that output depend on besides the network and the examples, such as versions.
    """

    preprocess: keras.Model
    core: keras.Model
    layer: str
    premises: Mapping[str, str]

    def of_split(self, stored: Array, *, split: str, fingerprint: str, listener: Listener) -> Array:
        """Return the output for each example of a split, and say where it comes from.

        Args:
            stored: The examples.
            split: The name of the split.
            fingerprint: That of the whole dataset.
            listener: Called with what is found.
        """
        started = time.perf_counter()
        found = self.features(
            stored, fingerprint=f"{split} of {fingerprint}", what=f"{len(stored):,} examples of {split}, {self.layer}"
        )
        for note in found.notes:
            listener(Note(WARNING, note))
        took = "kept by an earlier run" if found.is_reused else f"computed in {time.perf_counter() - started:.1f} s"
        listener(Note("features", f"{len(stored):,} of {split}, {found.value.nbytes / 2**20:,.1f} MiB: {took}"))
        return found.value

    def features(self, stored: Array, *, fingerprint: str, what: str) -> Cached[Array]:
        """Return the output for each example, from the cache if it is there.

        Args:
            stored: The examples, as a split stores them.
            fingerprint: What tells these examples from any others.
            what: A description of them, for `dlrun cache ls`.

        Shape:
            stored: `(examples, *raw_shape)`. Value: `(examples, width)` float32.
        """
        inner = keras.Model(self.core.inputs, self.core.get_layer(self.layer).output, name="frozen")
        plain = [inner.get_config(), self.preprocess.get_config(), dict(self.premises), fingerprint, AT_ONCE]
        identity = json.dumps([plain, weights_sha256(inner)], sort_keys=True, default=str)
        width = int(np.prod(inner.output_shape[1:]))
        return Cache("features").get_or_make(
            sha256(identity.encode()).hexdigest()[:32],
            lambda folder: _write(folder / _FILE, stored, width=width, compute=self._computing(inner)),
            lambda folder: np.load(folder / _FILE, mmap_mode="r"),
            what=what,
            size=4 * width * len(stored),
        )

    def _computing(self, inner: keras.Model) -> Callable[[Array], Array]:
        step = tf.function(
            lambda rows: tf.cast(inner(self.preprocess(rows, training=False), training=False), tf.float32),
            autograph=False,
            reduce_retracing=True,
        )
        return lambda rows: step(tf.constant(rows)).numpy()


def _write(path: Path, stored: Array, *, width: int, compute: Callable[[Array], Array]) -> None:
    made = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(len(stored), width))
    for start in range(0, len(stored), AT_ONCE):
        rows = np.asarray(stored[start : start + AT_ONCE])
        missing = AT_ONCE - len(rows)
        # The last batch is filled up: a smaller one might be computed in another order.
        whole = np.concatenate([rows, np.repeat(rows[:1], missing, axis=0)]) if missing else rows
        made[start : start + len(rows)] = compute(whole)[: len(rows)]
    made.flush()
