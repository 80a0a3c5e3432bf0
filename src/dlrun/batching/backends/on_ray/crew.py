"""Train runs as tasks of a Ray cluster, and hear of them."""

from __future__ import annotations

import itertools
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dlrun.batching.backends.backend import ANY_GPU
from dlrun.batching.backends.on_ray.mailbox import Mailbox
from dlrun.batching.backends.on_ray.probe import Question
from dlrun.batching.backends.on_ray.slots import Needs, nodes_alive
from dlrun.batching.backends.on_ray.work import Task, ended, train_task
from dlrun.batching.messages import Request

_TAKE_SECONDS = 0.2
"""How often to look for progress; the end of a run is heard at once."""
_ANSWER_SECONDS = 5.0
_AVOIDED_SECONDS = 300.0
"""How long no run is sent to a node that could not start one, if there are others."""
_GRACE_SECONDS = 30.0
"""How long runs may take to stop if the batch ends early."""

Work = Callable[[Task, Any], list[dict[str, Any]]]


@dataclass
class _RunTask:
    """A task of a run: its request, the number of the attempt, and whether it was heard to have a folder."""

    request: Request
    attempt: int
    has_begun: bool = False


class RayCrew:
    """Trains each run as a task of Ray.

    Ray never starts a task again by itself (`max_retries=0`): a run whose node or worker was lost goes back to the
    engine, which knows whether it may be tried again.

    Args:
        mailbox: The handle of the mailbox.
        question: What the nodes were asked: the working directory and the environment of the runs.
        needs: What each run gets.
        work: The function that trains a run on a node.
    """

    def __init__(self, mailbox: Any, question: Question, needs: Needs, *, work: Work = train_task) -> None:
        import ray

        self._ray = ray
        self._mailbox, self._question, self._needs = mailbox, question, needs
        # A worker process serves many runs one after the other, and imports TensorFlow for the first of them.
        self._work = ray.remote(max_retries=0, max_calls=0)(work)
        self._attempts = itertools.count(1)
        self._going: dict[Any, _RunTask] = {}
        self._signals: tuple[int, ...] = ()
        self._taken_at = 0.0
        self._broken: dict[str, float] = {}

    def start(self, request: Request) -> None:
        """Request a run; its progress and its end arrive as messages."""
        folder, attempt = self._question.folder, next(self._attempts)
        absolute = replace(request, runs_dir=str(Path(request.runs_dir).absolute()), moves=True)
        if folder is None:
            absolute = replace(absolute, config=_relative(request.config))
        task = Task(absolute.line(), attempt, folder, self._question.environment)
        gpus = self._needs.gpus if request.gpu == ANY_GPU else 0
        work = self._work.options(
            num_cpus=self._needs.cpus,
            num_gpus=gpus,
            name=f"dlrun run {request.number}",
            scheduling_strategy=self._preferred_node(),
        )
        self._going[work.remote(task, self._mailbox)] = _RunTask(request, attempt)

    def signal(self, number: int) -> None:
        """Send a signal to every run; those that wait for a node never start."""
        self._signals = (*self._signals, number)
        self._take()
        for ref, going in self._going.items():
            if not going.has_begun:
                self._ray.cancel(ref, force=False, recursive=False)

    def messages(self, *, seconds: float) -> list[dict[str, Any]]:
        """Return the messages that arrive within some time.

        Args:
            seconds: How long to wait for a message.
        """
        if not self._going:
            time.sleep(seconds)
            return []
        done, _ = self._ray.wait([*self._going], timeout=seconds)
        if done:
            done, _ = self._ray.wait([*self._going], num_returns=len(self._going), timeout=0)
        # What a run said before its end comes before its end.
        found = self._take() if done or time.monotonic() - self._taken_at > _TAKE_SECONDS else []
        for ref in done:
            going = self._going.pop(ref)
            last = self._result(ref, going)
            # The message that it has a folder may have been lost with the mailbox, so it comes again at the end.
            found += [each for each in last if each["event"] != "run" or not going.has_begun]
        return [{key: value for key, value in each.items() if key != "attempt"} for each in found]

    def close(self) -> None:
        """Stop the runs that are still going, each with a checkpoint if it has the time."""
        if self._going:
            self.signal(signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_SECONDS
        while self._going and time.monotonic() < deadline:
            self.messages(seconds=1.0)
        for ref in self._going:
            self._ray.cancel(ref, force=True, recursive=False)

    def _preferred_node(self) -> Any:
        """Return where to start a run: anywhere, or rather on a node that is not known to be broken."""
        now = time.monotonic()
        self._broken = {node: until for node, until in self._broken.items() if until > now}
        if not self._broken:
            return "DEFAULT"
        sound = [node for node in nodes_alive() if node.room(self._needs.cpus, 0.0) and node.id not in self._broken]
        if not sound:
            return "DEFAULT"
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(random.choice(sound).id, soft=True)  # noqa: S311  no secret

    def _take(self) -> list[dict[str, Any]]:
        """Leave the signals in the mailbox, and return the messages of the tasks that are going."""
        self._taken_at = time.monotonic()
        try:
            taken = self._ray.get(self._mailbox.take.remote(self._signals), timeout=_ANSWER_SECONDS)
        except self._ray.exceptions.RayError:  # it comes back, without what was in it: nobody needs that
            return []
        by_attempt = {going.attempt: going for going in self._going.values()}
        found = []
        for message in taken:
            going = by_attempt.get(message["attempt"])
            if going is not None and not (message["event"] == "run" and going.has_begun):
                going.has_begun |= message["event"] == "run"
                found.append(message)
        return found

    def _result(self, ref: Any, going: _RunTask) -> list[dict[str, Any]]:
        """Return the last messages of a task that has ended in some way."""
        exceptions, request = self._ray.exceptions, going.request
        try:
            found: list[dict[str, Any]] = self._ray.get(ref)
        except exceptions.TaskCancelledError:
            return ended(request, "interrupted")
        except exceptions.OutOfMemoryError:
            reason = "Ray killed it, because its node had too little memory; --cpus-per-run puts fewer runs on a node"
            return ended(request, "failed", reason=reason, code=1)
        except (exceptions.RayTaskError, exceptions.RuntimeEnvSetupError) as error:  # a bug, or nothing to run it in
            return ended(request, "failed", reason=_last_line(error), code=1)
        except exceptions.RayError as error:
            return ended(request, "lost", reason=_loss(error), code=1)
        for node in (each["node"] for each in found if "node" in each):
            self._broken[node] = time.monotonic() + _AVOIDED_SECONDS
        return found


def _relative(config: str) -> str:
    """Return the path of a config in the copy of the working directory that Ray has made on a node."""
    return str(Path(config).absolute().relative_to(Path.cwd()))


def _loss(error: Exception) -> str:
    """Return why a run was lost, in a few words; Ray explains it in a paragraph."""
    text = str(error)
    if "node" in text.lower() and ("died" in text or "dead" in text or "removed" in text):
        return "its node was lost"
    return f"its worker process was lost ({type(error).__name__})"


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


@contextmanager
def ray_crew(question: Question, needs: Needs, *, work: Work = train_task) -> Iterator[RayCrew]:
    """Start the mailbox beside the driver; after the block neither it nor any of the runs is alive.

    Args:
        question: What the nodes were asked.
        needs: What each run gets.
        work: The function that trains a run on a node.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    options: dict[str, Any] = {"num_cpus": 0, "max_restarts": -1, "scheduling_strategy": here}
    mailbox = ray.remote(Mailbox).options(**options).remote()
    crew = RayCrew(mailbox, question, needs, work=work)
    try:
        yield crew
    finally:
        crew.close()
        with suppress(ray.exceptions.RayError):
            ray.kill(mailbox)
