"""The keys of `run.json` with their types. Other programs read them, so no key is ever renamed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dlrun.decision import Decision
from dlrun.errors import RunError
from dlrun.runs.records.initialization import InitializationRecord
from dlrun.scoring.slices import ColumnSlices
from dlrun.system.disk import disk, explained

if TYPE_CHECKING:
    from dlrun.data.dataset import Dataset

LARGEST_BYTES = 1 << 22
"""The largest size of a `run.json` that dlrun reads."""

Status = Literal["created", "running", "completed", "interrupted", "failed"]

Count = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""An integer that fits into 64 bits: one with thousands of digits, in a file from elsewhere, cannot become a float."""


Scores = Annotated[dict[str, float | None], Field(max_length=1 << 15)]
"""Values by the name of a score; more are impossible, since a spec has at most 30,000 values."""


class _Group(BaseModel):
    """A group of keys; keys that this version does not know are kept when the file is written again."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())


class Choice(_Group):
    """A choice, and the reason for it.

    Args:
        value: What was chosen, such as `cpu`, `bfloat16` or `on`.
        reason: Why, in one sentence.
    """

    value: str
    reason: str


class LayerRecord(_Group):
    """A layer: its name, its Keras class, the shape of its output for one example, and its number of parameters."""

    name: str
    type: str
    output_shape: tuple[Count | None, ...] = ()
    parameters: Count = 0


class ModelRecord(_Group):
    """The model: its `type` in the spec, its number of parameters, trainable or not, and its layers."""

    type: str
    parameters: Count | None = None
    layers: tuple[LayerRecord, ...] = ()


class DatasetRecord(_Group):
    """The dataset.

    Args:
        name: Its name.
        fingerprint: The sha256 of its numbers.
        names_sha256: The sha256 of the names behind them: classes, columns, categories, vocabulary; null in runs of
            earlier versions.
        examples: The number of examples in each split.
        left_out: Why a column of its files is not used as a feature, by the column's name.
        weight: The column of the weights of its examples, by which all scores are weighted; null if all count once.
    """

    name: str
    fingerprint: str
    names_sha256: str | None = None
    examples: dict[str, Count]
    left_out: dict[str, str] = {}
    weight: str | None = None

    @classmethod
    def of(cls, dataset: Dataset) -> DatasetRecord:
        """Return what is recorded of a dataset."""
        return cls(
            name=dataset.name,
            fingerprint=dataset.fingerprint,
            names_sha256=dataset.names_sha256,
            examples={name: len(split) for name, split in dataset.splits.items()},
            left_out=dict(dataset.left_out),
            weight=dataset.weight or None,
        )

    def is_same(self, other: DatasetRecord) -> bool:
        """Return whether another dataset has the same numbers and, where both are recorded, the same names."""
        names = {self.names_sha256, other.names_sha256} - {None}
        return self.fingerprint == other.fingerprint and len(names) <= 1


class BestRecord(_Group):
    """The best value of the monitored metric, and when it was reached."""

    metric: str
    value: float | None
    epoch: Count
    step: Count


class DecisionRecord(_Group):
    """How probabilities are calibrated and turned into a class or labels, and how that was chosen.

    Args:
        value: What predictions, evaluations and exports use.
        summary: The same for people, in one line.
        finished: When it was chosen, in ISO 8601 with the time zone.
        origin: `spec` for the end of the training, `calibrate` for the command.
        checkpoint: The name of the checkpoint that it was chosen for.
        wanted: The section `decision` that it follows.
        examples: The number of validation examples that it was chosen on; 0 for a threshold that was given.
        reasons: Why, in one sentence, by what was chosen: `threshold`, `calibration`.
        scores: By split the scores of probabilities and predictions `before` the decision and `after` it.
    """

    value: Decision
    summary: str = ""
    finished: str
    origin: Literal["spec", "calibrate"]
    checkpoint: str
    wanted: dict[str, Any] = {}
    examples: Count = 0
    reasons: dict[str, str] = {}
    scores: dict[str, dict[Literal["before", "after"], Scores]] = {}


class EvaluationRecord(_Group):
    """The results of `dlrun eval` on one split, or on a file.

    Args:
        finished: When the evaluation finished, in ISO 8601 with the time zone.
        checkpoint: The requested checkpoint: `final`, `last`, `best`, or a checkpoint's name.
        restored: The name of the checkpoint that was evaluated.
        data: The name of the run's own data, or the path of the file.
        fingerprint: The fingerprint of the run's own data at that time; null for a file.
        kind: `classes`, `labels`, `values` or `input`.
        examples: The number of examples.
        scores: The loss and metrics of the spec.
        naive: The same scores for the baseline; empty if there is none.
        overall: Measures over all examples; for an autoencoder, the distribution of its reconstruction errors.
        parts: Measures for each class, label or value by name; empty if there are too many, which only the CSV has.
        confusion: The confusion matrix, with a row for each true class; null without classes, or if there are too many.
        weight: The sum of the weights of the examples, if the scores are weighted; the numbers of examples in `parts`
            and `confusion` are then sums of weights, too.
        slices: The scores of groups of examples, for each column that they were grouped by.
        decision: The calibration and the thresholds that everything but `scores` and `naive` follows; null for the most
            probable class, without calibration.
        undecided: `overall` without the decision; empty if there is none.
    """

    finished: str
    checkpoint: str
    restored: str | None = None
    data: str
    fingerprint: str | None = None
    kind: str
    examples: Count
    scores: Scores
    naive: Scores = {}
    overall: dict[str, float | None]
    parts: dict[str, dict[str, float | None]] = {}
    confusion: list[list[int | float]] | None = None
    weight: float | None = None
    slices: tuple[ColumnSlices, ...] = ()
    decision: Decision | None = None
    undecided: dict[str, float | None] = {}


class BaselineRecord(_Group):
    """The baseline that the scores under `naive` belong to.

    Args:
        method: A description: `the last value`, `the value one season before (12 rows)`, `the most frequent class`,
            `the mean`, `the quantiles`.
        values: The prediction for every example: the frequency of each class or label in the training split, or the
            mean of each value. Empty if it differs between examples, or if there are too many values.
        weaker: The scores of other naive forecasts by method and split; the baseline had the smallest error of them on
            the training split.
        warning: A sentence if the model is not better than the baseline, or than a weaker one.
    """

    method: str
    values: tuple[float, ...] = ()
    weaker: dict[str, dict[str, Scores]] = {}
    warning: str = ""


class IntervalsRecord(_Group):
    """How well prediction intervals cover the test split.

    Args:
        level: The probability for which they are made.
        examples: The number of validation examples that they were measured on.
        test: The fraction of test examples within them, and their mean width, for each value.
    """

    level: float
    examples: Count
    test: dict[str, Scores] = {}


class TrackingRecord(_Group):
    """The run in an experiment tracker: the tracker's `type` in the spec, its id of the run, and where to find it."""

    type: str
    id: str
    place: str


class EnsembleMemberRecord(_Group):
    """A run that an ensemble was joined from.

    Args:
        id: The id of the run.
        weight: The weight of its predictions; 0 if it was left out.
        checkpoint: The name of the checkpoint that was taken.
        weights_sha256: As in its run.json.
        spec_sha256: As in its run.json.
        validation: Its scores on its own validation split.
    """

    id: str
    weight: float
    checkpoint: str
    weights_sha256: str | None = None
    spec_sha256: str | None = None
    config: ConfigRecord | None = None
    validation: Scores = {}


class EnsembleRecord(_Group):
    """How an ensemble was joined.

    Args:
        method: How the weights were chosen: `mean` or `greedy`.
        notes: What was chosen, with the reasons.
        members: The runs.
        validation: The mean over the members of their own validation scores.
    """

    method: str
    notes: tuple[str, ...] = ()
    members: tuple[EnsembleMemberRecord, ...]
    validation: Scores = {}


class TrialRecord(_Group):
    """The search that trained a run; of several, the last.

    Args:
        name: The name of the search.
        trial: The number of the run among its trials, from 1.
    """

    name: str
    trial: Count


class IdentityRecord(_Group):
    """What identifies equal runs; each value is a hexadecimal sha256. `identity.py` explains what they cover.

    Args:
        spec: The complete spec as requested, including `auto`, without paths.
        code: Dlrun, the libraries that affect the numbers, and the plugins.
        data: The paths, sizes and times of the data files.
    """

    spec: str
    code: str
    data: str


class ConfigRecord(_Group):
    """What a spec was made from.

    Args:
        files: The sha256 of the config and of each file that it is based on, by absolute path; the config is the first.
        variables: The values of its variables.
        environment: The values of the variables of the environment that it used.
        measured: What was chosen for each key that is `auto`, and why, such as that of `training.batch_size`.
    """

    files: dict[str, str] = {}
    variables: dict[str, str | int | float | bool | None] = {}
    environment: dict[str, str] = {}
    measured: dict[str, Choice] = {}


class RunRecord(_Group):
    """The content of `run.json`. Unknown values are null, and so are metrics that are NaN or infinite.

    Args:
        id: The name of the folder.
        name: The `name` in the spec.
        status: The status that its writer recorded last; `RunFolder.status` also detects stale runs.
        reason: Why it ended, if there is something to report.
        started: When it started, in ISO 8601 with the time zone.
        finished: When it ended, in the same format.
        seconds: The duration, including that before each resume.
        command: The command line, one item per argument.
        spec_sha256: The sha256 of `spec.yaml`.
        config: The files, and the variables in them, that the spec was made from; null in runs of earlier versions.
        identity: What identifies equal runs; null after the spec of the run was changed.
        git: Commit, branch, and whether there are uncommitted changes; null outside a repository.
        versions: The versions of Python and the libraries that affect the numbers.
        machine: Platform, CPU, cores, memory.
        environment: What determines the bits of the result besides spec and data; see `runs/provenance/environment.py`.
        device: The chosen device.
        precision: The chosen precision.
        jit: Whether XLA compiles the steps.
        cpu_shares: The number of parts that one CPU cuts each batch into.
        features: Whether the output of a frozen network is computed once or in each step; null without one.
        model: The model.
        dataset: The dataset.
        result: Metrics by split, such as `{"test": {"accuracy": 0.99}}`. They are those of the training: without a
            calibration, and for yes or no above 0.5.
        directions: Whether a larger (`max`) or a smaller (`min`) score is better, by its name without a split; scores
            without a known direction are missing, and runs of earlier versions have none.
        naive: The same scores as `result` for the baseline.
        baseline: The baseline; null if there is none, and in runs of earlier versions.
        slices: For each split, the scores of groups of its examples by the columns of `evaluation.by` in the spec.
        intervals: How well prediction intervals cover the test split; null if there are none.
        evaluation: The results of `dlrun eval` by split; for a file, under `data-` and its name.
        decision: The calibration and the thresholds of a classifier; null if none was asked for.
        best: The best epoch.
        time: Seconds by phase, named as in `timeline.py`, including those before each resume.
        throughput: Training examples per second, over the whole run.
        weights_sha256: The sha256 of the bytes of all model variables after the last step, in model order.
        exact: Whether a resumed run equals an uninterrupted one to the bit.
        environment_changes: Why it does not: what had changed in the environment when it was resumed.
        resumed: How often the run was resumed.
        initialization: What its model started from besides random weights, such as a parent run.
        ensemble: The runs that it was joined from, if it is an ensemble.
        search: The search that trained it, if it is a trial; it may then lack scores of other splits than validation.
        costs: What its model costs, if a search asked for it: `seconds_per_example` of a prediction, in batches, and
            `size_bytes` of its variables.
        tags: The tags that the user gave it.
        tracking: The run in an experiment tracker, if one follows it.
        signature_note: Why the run could not be signed, or that the user's secret was created again.
        checkpoints_removed: When `dlrun runs gc` removed checkpoints that resuming would need, in ISO 8601.
        files_sha256: The sha256 of files that results depend on, by their path in the folder; see `runs/sums.py`.
        checkpoints_sha256: The sha256 of the manifest of each checkpoint that training ended with, by its name.
    """

    id: str
    name: str
    status: Status = "created"
    reason: str | None = None
    started: str | None = None
    finished: str | None = None
    seconds: float | None = None
    command: tuple[str, ...] = ()
    spec_sha256: str | None = None
    config: ConfigRecord | None = None
    identity: IdentityRecord | None = None
    git: dict[str, Any] | None = None
    versions: dict[str, str] = {}
    machine: dict[str, Any] = {}
    environment: dict[str, str] = {}
    device: Choice | None = None
    precision: Choice | None = None
    jit: Choice | None = None
    cpu_shares: Choice | None = None
    features: Choice | None = None
    model: ModelRecord | None = None
    dataset: DatasetRecord | None = None
    directions: dict[str, Literal["max", "min"]] = {}
    result: dict[str, Scores] = {}
    naive: dict[str, Scores] = {}
    baseline: BaselineRecord | None = None
    slices: dict[str, tuple[ColumnSlices, ...]] = {}
    intervals: IntervalsRecord | None = None
    evaluation: dict[str, EvaluationRecord] = {}
    decision: DecisionRecord | None = None
    best: BestRecord | None = None
    time: dict[str, float] = {}
    throughput: float | None = None
    weights_sha256: str | None = None
    exact: bool = True
    environment_changes: tuple[str, ...] = ()
    resumed: Count = 0
    initialization: tuple[InitializationRecord, ...] = ()
    ensemble: EnsembleRecord | None = None
    search: TrialRecord | None = None
    costs: dict[str, float] = {}
    tags: tuple[str, ...] = ()
    tracking: TrackingRecord | None = None
    signature_note: str | None = None
    checkpoints_removed: str | None = None
    files_sha256: dict[str, str] = {}
    checkpoints_sha256: dict[str, str] = {}

    @property
    def is_ensemble(self) -> bool:
        """Whether it was joined from other runs, which `ensemble` describes once they are read."""
        return self.model is not None and self.model.type == "ensemble"


def read_record(run_json: Path) -> RunRecord:
    """Return the content of a `run.json`.

    Args:
        run_json: The path of the file.

    Raises:
        RunError: The file is missing, or not in the format that a run writes.
    """
    with explained(f"read {run_json}"):
        data = disk.read_file(run_json, largest=LARGEST_BYTES)
    try:
        return RunRecord.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunError(f"{run_json} is damaged: {where or 'the file'}: {first['msg']}") from error
