"""Train runs on a Ray cluster that is up: connect to it, check its nodes, and count their slots."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from dlrun.batching.backends.backend import BackendRequest, Placement
from dlrun.batching.backends.on_ray import probe
from dlrun.batching.backends.on_ray.crew import RayCrew, ray_crew
from dlrun.batching.backends.on_ray.nodes import Answers, question_for, token_written
from dlrun.batching.backends.on_ray.probe import Question, answer_question
from dlrun.batching.backends.on_ray.slots import Needs, RaySlots, nodes_alive
from dlrun.batching.state import RunWarned
from dlrun.errors import RunError, UsageError

_PROBE_SECONDS = 120.0
_NEVER_TRAVELS = ("**/.git", "**/.venv", "**/venv", "**/__pycache__", "**/node_modules")


@dataclass(frozen=True)
class RayBackend:
    """A cluster that is connected and checked.

    Args:
        slots: Its slots.
        needs: What each run gets.
        question: What its nodes were asked.
        description: The cluster in one line.
    """

    slots: RaySlots
    needs: Needs
    question: Question
    description: str

    def __str__(self) -> str:
        """Return the cluster in one line."""
        return self.description

    def crew(self) -> AbstractContextManager[RayCrew]:
        """Start what hears of the runs; after the block none of them is alive."""
        return ray_crew(self.question, self.needs)


def check_ray(placement: Placement, *, jobs: int | None) -> None:
    """Check the options, and that Ray is installed, without importing it.

    Args:
        placement: Where to train, and what each run needs.
        jobs: How many runs train at a time.

    Raises:
        UsageError: An option is out of range, or Ray is missing.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs is {jobs}", expected="at least 1 run at a time")
    gpus, cpus = placement.gpus_per_run, placement.cpus_per_run
    if gpus is not None and not 0 <= gpus <= 1:
        raise UsageError(
            f"--gpus-per-run is {gpus:g}, but each run of a batch or a search trains on one GPU",
            expected="0, a part of a GPU such as 0.5, or 1",
        )
    if cpus is not None and (cpus <= 0 or (cpus > 1 and cpus != int(cpus))):
        raise UsageError(f"--cpus-per-run is {cpus:g}", expected="a whole number of CPUs, or a part of one")
    if find_spec("ray") is None:
        raise UsageError("--on ray needs Ray, which is not installed", hint="pip install 'dlrun[ray]'")


@contextmanager
def open_ray(request: BackendRequest) -> Iterator[RayBackend]:
    """Connect to the cluster, and check that its nodes can train the runs.

    Args:
        request: The runs, and where to train them.

    Raises:
        UsageError: No node has room for a run.
        RunError: The cluster cannot be reached, or a node lacks what the runs need.
    """
    with ExitStack() as stack:
        token = stack.enter_context(token_written(request.runs_dir))
        connection = stack.enter_context(_Connection(request.placement.on))
        needs = Needs.choose(request.placement, nodes_alive(), request.specs)
        question = question_for(request, token, travels=False)
        answers = _ask(question, needs)
        answers.check(request)
        if strangers := answers.strangers():
            _check_can_travel(request, strangers)
            connection.reconnect(working_dir=Path.cwd(), excluded=request.runs_dir)
            question = question_for(request, token, travels=True)
            answers = _ask(question, needs)
            answers.check(request)
            if strangers := answers.strangers():
                raise RunError(f"the config did not arrive on {', '.join(strangers)}", expected="files in this folder")
        _check_clocks(answers, request)
        slots = RaySlots(nodes_alive, needs, jobs=request.jobs)
        yield RayBackend(slots, needs, question, _description(request.placement, needs))


def _description(placement: Placement, needs: Needs) -> str:
    gpus = f" and {needs.gpus:g} GPU" if needs.gpus else ""
    return f"{placement}; {needs.cpus:g} CPU{gpus} for each run"


class _Connection:
    """The connection to a cluster; none of Ray's own messages reach the terminal.

    Args:
        on: `ray` for the cluster of this machine or of RAY_ADDRESS, or the address of a cluster.
    """

    def __init__(self, on: str) -> None:
        self._address = "auto" if on == "ray" else on
        self._is_mine = False

    def __enter__(self) -> Self:
        import ray

        if not ray.is_initialized():
            self._connect()
        return self

    def __exit__(self, *_error: object) -> None:
        import ray

        if self._is_mine:
            ray.shutdown()

    def reconnect(self, *, working_dir: Path, excluded: Path) -> None:
        """Connect again, so that Ray brings a folder to the nodes.

        Args:
            working_dir: The folder.
            excluded: A folder of it that does not go with it.
        """
        import ray

        excludes = list(_NEVER_TRAVELS)
        if excluded.absolute().is_relative_to(working_dir):
            excludes.append(f"/{excluded.absolute().relative_to(working_dir)}")
        ray.shutdown()
        self._connect(runtime_env={"working_dir": str(working_dir), "excludes": excludes})

    def _connect(self, **options: Any) -> None:
        import ray

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ray.init(
                    address=self._address,
                    namespace="dlrun",
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    **options,
                )
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            where = "there is no Ray cluster to connect to" if self._address == "auto" else "the Ray cluster"
            where = where if self._address == "auto" else f"{where} at {self._address} cannot be reached"
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise RunError(
                f"{where}: {reason}",
                expected="a cluster that is up, of the same versions of Ray and Python",
                hint="ray start --head starts one on this machine; ray status shows one that is up",
            ) from error
        self._is_mine = True
        _silence()


def _silence() -> None:
    """Keep Ray from printing to stdout what it hears of nodes and workers: the engine reports what matters of that.

    `log_to_driver=False` covers what workers print, but not what Ray reports of a node that has died. There is no
    public switch for that in Ray 2.60.
    """
    from ray._private import worker

    worker._worker_logs_enabled = False  # noqa: SLF001


def _ask(question: Question, needs: Needs) -> Answers:
    """Ask every node that has room for a run.

    Raises:
        RunError: A node does not answer.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray.cloudpickle.register_pickle_by_value(probe)
    try:
        ask, began, asked = ray.remote(num_cpus=0, max_retries=0)(answer_question), time.time(), {}
        for node in nodes_alive():
            if node.room(needs.cpus, 0.0):
                where = NodeAffinitySchedulingStrategy(node.id, soft=False)
                asked[ask.options(scheduling_strategy=where).remote(question)] = node.name
        ready, late = ray.wait([*asked], num_returns=len(asked), timeout=_PROBE_SECONDS)
        now = time.time()
        if late:
            names = ", ".join(asked[ref] for ref in late)
            raise RunError(
                f"no answer within {_PROBE_SECONDS:.0f} s from {names}",
                expected="nodes that start a worker process",
                hint="ray status shows the state of the cluster",
            )
        found, problem = _answers(ready)
        if not found:
            raise RunError(
                f"no node could be asked whether it can train{problem and f': {problem}'}",
                expected="at least one node that is up",
                hint="ray status shows the state of the cluster",
            )
    finally:
        ray.cloudpickle.unregister_pickle_by_value(probe)
    # A clock may be read at any time between the question and the last answer.
    offsets = [max(each["time"] - now, 0.0) or min(each["time"] - began, 0.0) for each in found]
    return Answers(question, found, offsets)


def _answers(ready: Sequence[Any]) -> tuple[list[dict[str, Any]], str]:
    """Return the answers of the nodes, without those that were lost meanwhile, and what Ray said of one of these."""
    import ray

    found, problem = [], ""
    for ref in ready:
        try:
            found.append(ray.get(ref))
        except ray.exceptions.RayTaskError as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise RunError(f"a node could not be asked whether it can train: {lines[-1]}") from error
        except ray.exceptions.RayError as error:
            problem = str(error).strip().partition("\n")[0]
    return found, problem


def _check_can_travel(request: BackendRequest, strangers: Sequence[str]) -> None:
    """Check that the configs and plugins are below the working directory, which Ray can bring to the nodes.

    Raises:
        RunError: Some are not.
    """
    folder = Path.cwd()
    plugins = (Path(plugin) for spec in request.specs for plugin in spec.plugins)
    outside = [path for path in (*request.configs, *plugins) if not path.absolute().is_relative_to(folder)]
    if outside:
        raise RunError(
            f"{outside[0]} is not on {', '.join(strangers)}, and not below {folder}",
            expected="configs and plugins on storage that all nodes share, or below the working directory",
            hint="start the command in the folder of the project: it is then brought to the nodes",
        )


def _check_clocks(answers: Answers, request: BackendRequest) -> None:
    """Warn of clocks that differ; refuse them where times are compared.

    Raises:
        RunError: The batch trains runs again, and tells the new ones from the old ones by their times.
    """
    wrong = answers.wrong_clocks()
    if not wrong:
        return
    text = f"the clock of {', '.join(wrong)} differs from the one here"
    if request.since:
        raise RunError(
            f"{text}, and --again tells new runs from old ones by the time",
            expected="clocks that agree within a minute",
            hint="set the clocks, for example by NTP; without --again they may differ",
        )
    request.listener(RunWarned(None, f"{text}: the times in its runs are wrong; results are not affected"))
