"""A row of scores in, TensorBoard event files out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from dlrun.training.progress import Listener, Note

# What TensorBoard itself writes for a scalar. tf.summary.scalar needs the tensorboard package since TensorFlow 2.21,
# which a run that only writes events has no other use for.
_SCALAR = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"), data_class="DATA_CLASS_SCALAR"
)


class EventWriter:
    """Writes `train` and `validation` events, so that TensorBoard draws both curves of a metric in one chart.

    The events are a copy of metrics.jsonl: where they cannot be written, that is told once, and the run goes on.

    Args:
        folder: Where to.
        listener: Told that it failed.
    """

    def __init__(self, folder: Path, listener: Listener) -> None:
        self._listener = listener
        self._writers: dict[str, tf.summary.SummaryWriter] = {}
        with self._told():
            for part in ("train", "validation"):
                self._writers[part] = tf.summary.create_file_writer(str(folder / part))

    def write(self, row: Mapping[str, float | int]) -> None:
        """Write the scores of one epoch at its last step.

        Args:
            row: One row of metrics.jsonl.
        """
        if not self._writers:
            return
        with self._told():
            for name, value in row.items():
                if name in ("epoch", "step"):
                    continue
                part = "validation" if name.startswith("val_") else "train"
                with self._writers[part].as_default(step=int(row["step"])):
                    tag = f"epoch_{name.removeprefix('val_')}"
                    tf.summary.write(tag, tf.constant(float(value)), metadata=_SCALAR)

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
