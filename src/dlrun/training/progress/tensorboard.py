"""A row of scores in, TensorBoard event files out."""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf

from dlrun.training.progress.events import Listener, Note

# What TensorBoard itself writes for a scalar. tf.summary.scalar needs the tensorboard package since TensorFlow 2.21,
# which a run that only writes events has no other use for.
_SCALAR = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"), data_class="DATA_CLASS_SCALAR"
)
_FILE_VERSION = "brain.Event:2"
_COUNT = itertools.count()


class EventWriter:
    """Writes `train` and `validation` events, so that TensorBoard draws both curves of a metric in one chart.

    An event file is a file of records, one message each, and is written as such: `tf.summary.write` runs an operation
    of TensorFlow for every score, and takes a hundred times as long. An epoch may take milliseconds.

    The events are a copy of metrics.jsonl: where they cannot be written, that is told once, and the run goes on.

    Args:
        folder: Where to.
        listener: Told that it failed.
    """

    def __init__(self, folder: Path, listener: Listener) -> None:
        self._listener = listener
        self._writers: dict[str, tf.io.TFRecordWriter] = {}
        with self._told():
            for part in ("train", "validation"):
                self._writers[part] = _new_file(folder / part)

    def write(self, row: Mapping[str, float | int]) -> None:
        """Write the scores of one epoch at its last step.

        Args:
            row: One row of metrics.jsonl.
        """
        now = time.time()
        events = {part: tf.compat.v1.Event(wall_time=now, step=int(row["step"])) for part in self._writers}
        with self._told():
            for name, value in row.items():
                if events and name not in ("epoch", "step"):
                    event = events["validation" if name.startswith("val_") else "train"]
                    _add_scalar(event, f"epoch_{name.removeprefix('val_')}", float(value))
            for part, event in events.items():
                if event.HasField("summary"):
                    self._writers[part].write(event.SerializeToString())

    def flush(self) -> None:
        """Make everything written so far visible to a reader."""
        with self._told():
            for writer in self._writers.values():
                writer.flush()

    def close(self) -> None:
        """End the files."""
        with self._told():
            for writer in self._writers.values():
                writer.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except tf.errors.OpError as error:
            self._writers = {}
            said = (error.message or str(error)).strip().splitlines()[0]
            self._listener(Note("warning", f"no more TensorBoard events are written: {said}"))


def _new_file(folder: Path) -> tf.io.TFRecordWriter:
    """Begin an event file of a name that no other has; TensorBoard reads those of a folder in the order of names."""
    tf.io.gfile.makedirs(str(folder))
    now = time.time()
    name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}.{os.getpid()}.{next(_COUNT)}.v2"
    writer = tf.io.TFRecordWriter(str(folder / name))
    writer.write(tf.compat.v1.Event(wall_time=now, file_version=_FILE_VERSION).SerializeToString())
    writer.flush()
    return writer


def _add_scalar(event: Any, tag: str, value: float) -> None:
    added = event.summary.value.add(tag=tag, metadata=_SCALAR)
    added.tensor.dtype = tf.float32.as_datatype_enum
    added.tensor.tensor_shape.SetInParent()  # a single number: the shape is there, and has no axes
    added.tensor.float_val.append(value)
