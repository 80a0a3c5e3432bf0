"""The summary of a run in a listing, in a form that is quick to create ten thousand times."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:  # a listing from the index needs neither pydantic nor the modules of a run folder
    from dlrun.runs.folder import RunFolder, SeenStatus
    from dlrun.runs.record import RunRecord

_SPLITS = {"val_": "validation", "test_": "test", "train_": "train"}
_PREFIXES = {split: prefix for prefix, split in _SPLITS.items()}


class BestScore(NamedTuple):
    """The best value of the monitored metric, and when it was reached."""

    metric: str
    value: float | None
    epoch: int
    step: int


class RunSummary(NamedTuple):
    """One line of `dlrun runs ls`.

    Args:
        runs_dir: The folder that contains the run.
        id: The name of the run's folder.
        name: The `name` in the spec; empty if the run is damaged.
        status: The status as a reader sees it, which includes `stale` and `damaged`.
        started: When it started, in ISO 8601.
        order: When it started, in seconds since 1970.
        seconds: Its duration.
        model: The `type` of its model.
        dataset: The name of its dataset.
        best: The best value of the monitored metric.
        result: Metrics by split.
        directions: Whether a larger (`max`) or a smaller (`min`) score is better, by its name without a split.
        tags: The tags that the user gave it.
        parameters: The number of parameters of the model.
        throughput: Training examples per second.
        device: The device that it was trained on.
        precision: The precision that it was trained in.
        commit: The commit of the repository that contains the config.
        search: The name of the search that trained it.
        trial: Its number among the trials of that search.
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
    search: str | None = None
    trial: int | None = None
    problem: str = ""

    @property
    def path(self) -> Path:
        """The path of the run's folder."""
        return self.runs_dir / self.id

    @property
    def folder(self) -> RunFolder:
        """The run's folder."""
        from dlrun.runs.folder import RunFolder

        return RunFolder(self.path)

    def plain(self) -> dict[str, Any]:
        """Return the summary as plain JSON values."""
        values = {key: value for key, value in self._asdict().items() if key not in ("runs_dir", "order")}
        return {**values, "best": self.best._asdict() if self.best else None, "path": str(self.path)}

    def value(self, key: str) -> float | None:
        """Return the score with the name `key`.

        If `key` is the monitored metric, such as `val_accuracy`, this is its best value. Otherwise it comes from the
        results: the prefixes `val_`, `test_` and `train_` name the split; without a prefix, the validation split comes
        first, then the test split.
        """
        value = self.value_to_choose_by(key)
        if value is not None or any(key.startswith(prefix) for prefix in _SPLITS):
            return value
        return self.result.get("test", {}).get(key)

    def value_to_choose_by(self, key: str) -> float | None:
        """Return the score to choose a run by: like `value`, but the test split only counts if `key` names it."""
        if self.best is not None and self.best.metric == key and self.best.value is not None:
            return self.best.value
        for prefix, split in _SPLITS.items():
            if key.startswith(prefix):
                return self.result.get(split, {}).get(key.removeprefix(prefix))
        return self.result.get("validation", {}).get(key)

    def scores(self) -> set[str]:
        """Return the names of the scores, without a split."""
        watched = {self.best.metric.removeprefix("val_")} if self.best is not None else set()
        return watched.union(*(metrics for metrics in self.result.values()))

    def keys(self) -> set[str]:
        """Return all keys that `value` has a score for, as a user would write them."""
        keys = {_PREFIXES.get(split, "") + metric for split, metrics in self.result.items() for metric in metrics}
        return keys | ({self.best.metric} if self.best is not None else set())


def summarise(runs_dir: Path, run_id: str, record: RunRecord, *, order: float) -> RunSummary:
    """Return the summary of a run, with the status that its writer recorded last.

    Args:
        runs_dir: The folder that contains the run.
        run_id: The name of the run's folder.
        record: The content of its `run.json`.
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
        search=record.search.name if record.search else None,
        trial=record.search.trial if record.search else None,
    )
