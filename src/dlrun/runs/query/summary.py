"""What a listing says of one run, in a form that is quick to make ten thousand times."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:  # a listing from the index needs neither pydantic nor the paths of a folder
    from dlrun.runs.folder import RunFolder, SeenStatus
    from dlrun.runs.record import RunRecord

_SPLITS = {"val_": "validation", "test_": "test", "train_": "train"}
_PREFIXES = {split: prefix for prefix, split in _SPLITS.items()}


class BestScore(NamedTuple):
    """The best value of the metric that was watched, and when it was reached."""

    metric: str
    value: float | None
    epoch: int
    step: int


class RunSummary(NamedTuple):
    """One line of `dlrun runs ls`.

    Args:
        runs_dir: Where the run lies.
        id: The folder's name.
        name: The spec's `name`; empty if the run is damaged.
        status: As a reader sees it: `stale` and `damaged` too.
        started: ISO 8601.
        order: When it started, in seconds since 1970.
        seconds: How long it took.
        model: The model's `type`.
        dataset: The dataset's name.
        best: The best value of the metric that was watched.
        result: Metrics by split.
        directions: Of each score, by its name without a split, whether larger (`max`) or smaller (`min`) is better.
        tags: Words that the user gave it.
        parameters: Of the model.
        throughput: Training examples per second.
        device: What it was trained on.
        precision: What it was trained with.
        commit: Of the repository that the config lies in.
        problem: Why it is damaged.
    """

    runs_dir: Path
    id: str
    name: str = ""
    status: SeenStatus | Literal["damaged"] = "damaged"
    started: str | None = None
    order: float = 0.0
    seconds: float | None = None
    model: str | None = None
    dataset: str | None = None
    best: BestScore | None = None
    result: Mapping[str, Mapping[str, float | None]] = {}
    directions: Mapping[str, str] = {}
    tags: tuple[str, ...] = ()
    parameters: int | None = None
    throughput: float | None = None
    device: str | None = None
    precision: str | None = None
    commit: str | None = None
    problem: str = ""

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.runs_dir / self.id

    @property
    def folder(self) -> RunFolder:
        """The run."""
        from dlrun.runs.folder import RunFolder

        return RunFolder(self.path)

    def plain(self) -> dict[str, Any]:
        """The line as JSON has it."""
        values = {key: value for key, value in self._asdict().items() if key not in ("runs_dir", "order")}
        return {**values, "best": self.best._asdict() if self.best else None, "path": str(self.path)}

    def value(self, key: str) -> float | None:
        """The score that is called `key`.

        It is the best value, if `key` is the metric that the run watched (`val_accuracy`). Otherwise it is looked up in
        the results: `val_`, `test_` and `train_` name the split; without one, first the validation split, then test.
        """
        value = self.value_to_choose_by(key)
        if value is not None or any(key.startswith(prefix) for prefix in _SPLITS):
            return value
        return self.result.get("test", {}).get(key)

    def value_to_choose_by(self, key: str) -> float | None:
        """The score by which a run is chosen: as `value`, but the test split is looked at only if `key` names it."""
        if self.best is not None and self.best.metric == key and self.best.value is not None:
            return self.best.value
        for prefix, split in _SPLITS.items():
            if key.startswith(prefix):
                return self.result.get(split, {}).get(key.removeprefix(prefix))
        return self.result.get("validation", {}).get(key)

    def scores(self) -> set[str]:
        """The names of its scores, without a split."""
        watched = {self.best.metric.removeprefix("val_")} if self.best is not None else set()
        return watched.union(*(metrics for metrics in self.result.values()))

    def keys(self) -> set[str]:
        """Every key that `value` has an answer for, as the user would write it."""
        keys = {_PREFIXES.get(split, "") + metric for split, metrics in self.result.items() for metric in metrics}
        return keys | ({self.best.metric} if self.best is not None else set())


def summarise(runs_dir: Path, run_id: str, record: RunRecord, *, order: float) -> RunSummary:
    """The line of a run, with the status that its writer saw last.

    Args:
        runs_dir: Where the run lies.
        run_id: The folder's name.
        record: Its `run.json`.
        order: When it started, in seconds since 1970.
    """
    commit = (record.git or {}).get("commit")
    return RunSummary(
        runs_dir,
        run_id,
        name=record.name,
        status=record.status,
        started=record.started,
        order=order,
        seconds=record.seconds,
        model=record.model.type if record.model else None,
        dataset=record.dataset.name if record.dataset else None,
        best=BestScore(record.best.metric, record.best.value, record.best.epoch, record.best.step)
        if record.best
        else None,
        result=record.result,
        directions=record.directions,
        tags=record.tags,
        parameters=record.model.parameters if record.model else None,
        throughput=record.throughput,
        device=record.device.value if record.device else None,
        precision=record.precision.value if record.precision else None,
        commit=commit if isinstance(commit, str) else None,
    )
