"""One life of a run: everything that surrounds a training, from the first signal that is listened to to the last write.

`train`, `resume` and `reproduce` open a run with `open_session`, check what they have to, and train inside
`Session.recording`. What begins first ends last, and each step relies on the ones before it:

1. Signals are handled, so that no later step can be cut off without a trace.
2. The run folder is held: one process writes to a run at a time.
3. Errors are explained: an interruption names the command that goes on with the run, and a lost worker is named.
   What may refuse the run is checked from here on; its record is still what it was.
4. The tracker listens. It closes last, because it uploads the final run.json and the report.
5. The report's process starts. It draws once run.json says `completed`: a kill while it draws leaves a complete run.
6. run.json says `running`, and from the end of the block on how the run ended.
7. Errors are explained once more, before step 6 records them as the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from dlrun.errors import UsageError
from dlrun.experiment.record import explaining_interruption, recording
from dlrun.experiment.report import reporting
from dlrun.experiment.track import tracking
from dlrun.experiment.trial import Trial
from dlrun.runs.folder import RunFolder
from dlrun.spec.parse import SpecFile
from dlrun.training.devices.cluster import Cluster
from dlrun.training.failures import worker_failures
from dlrun.training.progress.events import Listener, silent
from dlrun.training.progress.timeline import Timeline
from dlrun.training.stop import Stop

Scores = Mapping[str, Mapping[str, float]]
"""By split: the loss and the metrics of the final model."""


@dataclass(frozen=True)
class TrainingResult:
    """What a training leaves.

    Args:
        folder: The run folder.
        scores: By split, of the final model.
        record: The content of run.json.
        is_chief: Whether this process wrote the folder. Another worker's folder is gone when it returns.
    """

    folder: RunFolder
    scores: Scores
    record: Mapping[str, Any]
    is_chief: bool = True


@dataclass(frozen=True)
class Session:
    """A run that this process works on.

    Args:
        folder: The run folder.
        stop: The signals and the time limit that may end the training.
        listener: Called with every event; in a worker that is not the chief it ignores them.
        timeline: Where the seconds go.
        cluster: The processes that train together.
        trial: The role of the run as a trial of a search; None for any other run.
    """

    folder: RunFolder
    stop: Stop
    listener: Listener
    timeline: Timeline
    cluster: Cluster
    trial: Trial | None = None

    @property
    def is_reported(self) -> bool:
        """Whether a report of the run may be drawn by this process, if its spec wants one."""
        return self.cluster.is_chief and self.trial is None

    @contextmanager
    def recording(self, file: SpecFile, *, folder: RunFolder | None = None, **changes: Any) -> Iterator[Session]:
        """Train inside this block: the run is recorded, tracked, and reported when it is complete.

        Args:
            file: The run's spec.
            folder: The folder to write to, where it is not the one that the session holds.
            changes: Keys of run.json to set at the start.

        Yields:
            The session, with the listener that the tracker adds to.

        Raises:
            Interrupted: The user stopped the run.
            Paused: The search that trains the run has paused it.
            RunError: A worker was lost, or the folder cannot be written to.
        """
        folder, wants_report = folder or self.folder, self.is_reported and file.spec.training.report
        parent = None if self.trial is None else self.trial.parent
        if self.trial is not None:
            changes |= {"search": self.trial.record(), "stopped": f"stopped with the search {self.trial.search}"}
        with (
            tracking(file, folder, self.listener, wanted=self.cluster.is_chief, parent=parent) as listener,
            reporting(folder, listener, wanted=wants_report, timeline=self.timeline),
            recording(folder, self.stop, **changes),
            self._explaining_errors(),
        ):
            yield replace(self, folder=folder, listener=listener)

    def result(self, scores: Scores) -> TrainingResult:
        """Return what the training leaves, once its end is recorded."""
        content = self.folder.read_record().model_dump(mode="json")
        return TrainingResult(self.folder, scores, content, is_chief=self.cluster.is_chief)

    @contextmanager
    def _explaining_errors(self) -> Iterator[None]:
        with self.stop.recognised(), worker_failures(self.cluster, self.folder.id):
            yield


@contextmanager
def open_session(
    held: AbstractContextManager[RunFolder],
    *,
    listener: Listener,
    timeline: Timeline,
    cluster: Cluster,
    trial: Trial | None = None,
) -> Iterator[Session]:
    """Hold a run while the block works on it, and make an interruption say how to go on.

    Args:
        held: Gives the run folder and holds it: `new_folder` makes one, `held_folder` takes one that exists.
        listener: Called with every event of the chief.
        timeline: Where the seconds go.
        cluster: The processes that train together.
        trial: The role of the run as a trial of a search; None for any other run.

    Raises:
        Interrupted: The user stopped the run before it was recorded as running.
        UsageError: A trial is to be trained by several processes.
        RunError: Another process holds the run, or a worker was lost.
    """
    if trial is not None and cluster.workers > 1:
        # Every process would have to pause at the same epoch, and a search trains each run in a single one.
        raise UsageError("a trial of a search trains in one process", expected="no TF_CONFIG, and no dlrun launch")
    stop = Stop(pause_after=None if trial is None else trial.pause_after)
    with stop.listening(), held as folder, explaining_interruption(folder):
        session = Session(folder, stop, listener if cluster.is_chief else silent, timeline, cluster, trial)
        with session._explaining_errors():  # noqa: SLF001  of this module's own class
            yield session
