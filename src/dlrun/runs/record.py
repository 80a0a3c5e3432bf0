"""What `run.json` says about a run: its keys, typed; other programs read them, so none is ever renamed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dlrun.errors import RunError
from dlrun.system.disk import disk, explained

LARGEST_BYTES = 1 << 22
"""Of a `run.json`."""

Status = Literal["created", "running", "completed", "interrupted", "failed"]

Count = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""A whole number that can be counted with: one of thousands of digits, in a file from elsewhere, is no float."""


Scores = Annotated[dict[str, float | None], Field(max_length=1 << 15)]
"""Values by the name of a score; a spec, which has at most 30,000 values, cannot ask for more."""


class _Group(BaseModel):
    """Keys that belong together; those that this version does not know are kept when the file is written again."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())


class Choice(_Group):
    """Something that was chosen, and why.

    Args:
        value: What was taken: `cpu`, `bfloat16`, `on`.
        reason: One sentence.
    """

    value: str
    reason: str


class LayerRecord(_Group):
    """A layer: its name, its Keras class, the shape of its output for one example, its parameters."""

    name: str
    type: str
    output_shape: tuple[Count | None, ...] = ()
    parameters: Count = 0


class ModelRecord(_Group):
    """The model: its `type` in the spec, the number of its trainable and other parameters, and its layers."""

    type: str
    parameters: Count | None = None
    layers: tuple[LayerRecord, ...] = ()


class DatasetRecord(_Group):
    """The data.

    Args:
        name: For people.
        fingerprint: The sha256 over it.
        examples: How many, in each split.
        left_out: Why a column of its files is no feature, by name.
    """

    name: str
    fingerprint: str
    examples: dict[str, Count]
    left_out: dict[str, str] = {}


class BestRecord(_Group):
    """The best value of the metric that was watched, and when it was reached."""

    metric: str
    value: float | None
    epoch: Count
    step: Count


class EvaluationRecord(_Group):
    """What `dlrun eval` found on one split, or on a file.

    Args:
        finished: ISO 8601 with the zone.
        checkpoint: What was evaluated: `final`, `last`, `best`, or a checkpoint's name.
        restored: Name of the checkpoint that this was.
        data: Name of the run's own data, or the file.
        fingerprint: Of the run's own data as it was then; null for a file.
        kind: `classes`, `labels`, `values` or `input`.
        examples: How many.
        scores: Loss and metrics of the spec.
        naive: The same of a prediction without a model; empty if there is none.
        overall: Of all examples; for an autoencoder, how its reconstruction errors are spread.
        parts: Of each class, label or value by its name; empty where there are too many, which the CSV has.
        confusion: Rows are true classes; null where there are too many, or no classes.
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
    confusion: list[list[int]] | None = None


class BaselineRecord(_Group):
    """A prediction without a model, by which the scores under `naive` came about.

    Args:
        method: For people: `the last value`, `the class frequencies`, `the mean`.
        values: What is predicted for every example: how frequent each class or label is in the training split, or the
            mean of each value there; empty where it differs from example to example, or where there are too many.
    """

    method: str
    values: tuple[float, ...] = ()


class TrackingRecord(_Group):
    """Where a tracker has the run: its `type` in the spec, its own id of the run, and where a person finds it."""

    type: str
    id: str
    place: str


class IdentityRecord(_Group):
    """What tells whether two runs are the same; each a sha256 in hexadecimal. See `identity.py` for what is in them.

    Args:
        spec: Of the complete spec as it was asked for, `auto` and all, without where things lie.
        code: Of dlrun, the libraries that decide the numbers, and the plugins.
        data: Of the paths, sizes and times of the files that the data is read from.
    """

    spec: str
    code: str
    data: str


class RunRecord(_Group):
    """The content of `run.json`; what is not known yet is null, and so is a metric that is not finite.

    Args:
        id: The folder's name.
        name: The spec's `name`.
        status: Where it stands, as its writer saw it last; `RunFolder.status` tells when that is stale.
        reason: Why it ended, when there is something to say.
        started: ISO 8601 with the zone.
        finished: As `started`.
        seconds: From start to end, over all the times it was resumed.
        command: The command line, one item for each argument.
        spec_sha256: Of `spec.yaml`.
        identity: What tells whether another run is the same; null once the spec of the run was changed.
        git: Commit, branch, dirty; null outside a repository.
        versions: Of Python and the libraries that decide the numbers.
        machine: Platform, CPU, cores, memory.
        environment: What decides the bits of the result besides spec and data; see `runs/provenance/environment.py`.
        device: Chosen for the run.
        precision: Chosen for the run.
        jit: Chosen for the run.
        cpu_shares: Chosen for the run.
        model: What was trained.
        dataset: What it was trained on.
        result: Metrics by split: `{"test": {"accuracy": 0.99}}`.
        directions: Whether a score is better when it is larger (`max`) or smaller (`min`), by its name without a split;
            one that does not say is not there, and a run of an earlier version has none.
        naive: The same scores of a prediction without a model.
        baseline: What that prediction is; null in a run of an earlier version, and where there is none.
        evaluation: What `dlrun eval` found, by split; of a file under `data-` and its name.
        best: The best epoch.
        time: Seconds by phase, as `timeline.py` names them, over all the times it was resumed.
        throughput: Training examples per second, over the run.
        weights_sha256: Over the bytes of every model variable after the last step, in model order.
        exact: Whether a run that was resumed equals one that was not, to the bit.
        resumed: How often it was resumed.
        tags: Words that the user gave it.
        tracking: Where a tracker has it, if one follows it.
        signature_note: Why the run could not be signed, or that the secret of its user was made anew.
        checkpoints_removed: When `dlrun runs gc` removed checkpoints that the run would need to go on; ISO 8601.
        files_sha256: Of the files that results depend on, by their path in the folder; see `runs/sums.py`.
        checkpoints_sha256: Of the manifest of each checkpoint that training ended with, by its name.
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
    identity: IdentityRecord | None = None
    git: dict[str, Any] | None = None
    versions: dict[str, str] = {}
    machine: dict[str, Any] = {}
    environment: dict[str, str] = {}
    device: Choice | None = None
    precision: Choice | None = None
    jit: Choice | None = None
    cpu_shares: Choice | None = None
    model: ModelRecord | None = None
    dataset: DatasetRecord | None = None
    directions: dict[str, Literal["max", "min"]] = {}
    result: dict[str, Scores] = {}
    naive: dict[str, Scores] = {}
    baseline: BaselineRecord | None = None
    evaluation: dict[str, EvaluationRecord] = {}
    best: BestRecord | None = None
    time: dict[str, float] = {}
    throughput: float | None = None
    weights_sha256: str | None = None
    exact: bool = True
    resumed: Count = 0
    tags: tuple[str, ...] = ()
    tracking: TrackingRecord | None = None
    signature_note: str | None = None
    checkpoints_removed: str | None = None
    files_sha256: dict[str, str] = {}
    checkpoints_sha256: dict[str, str] = {}


def read_record(run_json: Path) -> RunRecord:
    """What a `run.json` says.

    Raises:
        RunError: It is missing, or is not what a run writes.
    """
    with explained(f"read {run_json}"):
        data = disk.read_file(run_json, largest=LARGEST_BYTES)
    try:
        return RunRecord.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunError(f"{run_json} is damaged: {where or 'the file'}: {first['msg']}") from error
