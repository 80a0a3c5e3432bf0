"""Write the scores of each epoch as TensorBoard event files."""

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

# The same metadata as TensorBoard's own scalars. Since TensorFlow 2.21 tf.summary.scalar needs the tensorboard package,
# which a run that only writes events does not need otherwise.
_SCALAR = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"), data_class="DATA_CLASS_SCALAR"
)
_FILE_VERSION = "brain.Event:2"
_COUNT = itertools.count()


class EventWriter:
    """Writes `train` and `validation` events, so that TensorBoard draws both curves of a metric in one chart.

    An event file is a sequence of records, each one message, and this class writes it directly: `tf.summary.write` runs
    a TensorFlow operation for each score and takes a hundred times as long, while an epoch may take milliseconds.

    The events duplicate metrics.jsonl. If they cannot be written, there is one warning, and the run continues.

    Args:
        folder: The folder for the event files.
        listener: Receives the warning if writing fails.
    """

    def __init__(self, folder: Path, listener: Listener) -> None:
        self._listener = listener
        self._writers: dict[str, tf.io.TFRecordWriter] = {}
        with self._warn_on_failure():
            for part in ("train", "validation"):
                self._writers[part] = _new_file(folder / part)

    def write(self, row: Mapping[str, float | int]) -> None:
        """Write the scores of one epoch, at its last step.

        Args:
            row: A row of metrics.jsonl.
        """
        now = time.time()
        events = {part: tf.compat.v1.Event(wall_time=now, step=int(row["step"])) for part in self._writers}
        with self._warn_on_failure():
            for name, value in row.items():
                if events and name not in ("epoch", "step"):
                    event = events["validation" if name.startswith("val_") else "train"]
                    _add_scalar(event, f"epoch_{name.removeprefix('val_')}", float(value))
            for part, event in events.items():
                if event.HasField("summary"):
                    self._writers[part].write(event.SerializeToString())

    def flush(self) -> None:
        """Make everything written so far visible to readers."""
        with self._warn_on_failure():
            for writer in self._writers.values():
                writer.flush()

    def close(self) -> None:
        """Close the files."""
        with self._warn_on_failure():
            for writer in self._writers.values():
                writer.close()

    @contextmanager
    def _warn_on_failure(self) -> Iterator[None]:
        try:
            yield
        except tf.errors.OpError as error:
            self._writers = {}
            message = (error.message or str(error)).strip().splitlines()[0]
            self._listener(Note("warning", f"TensorBoard events are no longer written: {message}"))


def _new_file(folder: Path) -> tf.io.TFRecordWriter:
    """Create an event file with a new name; TensorBoard reads the files of a folder in the order of their names."""
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
    added.tensor.tensor_shape.SetInParent()  # a scalar: the shape is present, and has no axes
    added.tensor.float_val.append(value)
