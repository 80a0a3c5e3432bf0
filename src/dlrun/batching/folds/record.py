"""The record of complete folds in `runs/folds/NAME-ID/folds.json`: their runs, their scores, and what they predicted.

The id is a digest of the identities of the runs, as that of a batch. So the same config finds the same folder, whether
`dlrun train` or a larger batch trains its folds. The folder has a record only if every run is complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from dlrun.errors import RunError
from dlrun.runs import FOLDS_DIR, RUNS_DIR
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import read_interface
from dlrun.runs.query.named import find_named
from dlrun.system.disk import disk, explained

RECORD, PREDICTIONS = "folds.json", "out_of_fold.csv"
_LARGEST_BYTES = 1 << 26


class FoldRun(BaseModel):
    """The run of one fold.

    Args:
        run: The id of the run.
        repeat: The repeat, from 0.
        fold: The fold, from 0.
        examples: The number of examples in the fold.
        weights_sha256: The digest of the final weights, as in run.json.
    """

    model_config = ConfigDict(frozen=True)

    run: str
    repeat: int
    fold: int
    examples: int
    weights_sha256: str


class FoldScores(BaseModel):
    """A score of all folds.

    Args:
        mean: The mean over the runs; null if a run has no value.
        standard_deviation: The sample standard deviation over the runs; null if a run has no value.
        values: The score of each run, in the order of the runs; null where it is undefined.
        pooled: The score of the out-of-fold predictions of all runs together, of each repeat separately and then
            averaged over repeats; null for a score that is not computed from these predictions.
    """

    model_config = ConfigDict(frozen=True)

    mean: float | None
    standard_deviation: float | None
    values: tuple[float | None, ...]
    pooled: float | None = None


class FoldsRecord(BaseModel):
    """The content of the file.

    Args:
        id: A digest of the identities of the runs.
        name: The name in the spec.
        count: The number of folds.
        repeats: The number of divisions into folds; there are `count * repeats` runs.
        seed: The seed of the divisions.
        examples: The number of examples that were divided, each of which is in one fold of each repeat.
        runs: The runs, in the order of repeat and fold.
        predictions: The name of the CSV file of out-of-fold predictions in the same folder.
        predictions_sha256: The sha256 of that file.
        validation: Loss and metrics of each run on its fold, by name.
        test: Loss and metrics of each run on the test split, which is the same for all; empty if there is none.
        out_of_fold: Scores that are computed from the out-of-fold predictions: of each fold, and of all together.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    count: int
    repeats: int
    seed: int
    examples: int
    runs: tuple[FoldRun, ...]
    predictions: str
    predictions_sha256: str
    validation: dict[str, FoldScores]
    test: dict[str, FoldScores]
    out_of_fold: dict[str, FoldScores]


@dataclass(frozen=True)
class FoldsBatch:
    """Complete folds.

    Args:
        folder: The folder of their record, such as `runs/folds/adult_mlp-3f2a90c1d4e5`.
        record: The record.
        runs: The run folders in the order of `record.runs`: by repeat, then by fold. Each run has the predictions for
            its own fold, which `read_fold_predictions` reads.
    """

    folder: Path
    record: FoldsRecord
    runs: tuple[RunFolder, ...]

    @property
    def predictions(self) -> Path:
        """The CSV file of out-of-fold predictions."""
        return self.folder / self.record.predictions

    @property
    def is_joinable(self) -> bool:
        """Whether the models can be joined into an ensemble, which takes the mean of their predictions."""
        return read_interface(self.runs[0]).target.kind not in ("input", "mask")


def read_folds(batch: str, *, runs_dir: Path = RUNS_DIR) -> FoldsBatch:
    """Return the folds that the user means.

    Args:
        batch: `last`, the name of a folder in `runs/folds`, a part of exactly one such name, or the path of such a
            folder.
        runs_dir: The folder for runs.

    Raises:
        UsageError: There are no such folds, or more than one match.
        RunError: The record is damaged, or one of the runs is missing or was trained longer since.
    """
    folder = _find(batch, runs_dir)
    record = _read(folder / RECORD)
    # Beside `folds`, so that folds given by a path find their own runs.
    runs = tuple(RunFolder(folder.absolute().parent.parent / each.run) for each in record.runs)
    for run, each in zip(runs, record.runs, strict=True):
        _check_run(run, each)
    return FoldsBatch(folder, record, runs)


def write_record(folder: Path, record: FoldsRecord) -> None:
    """Write the record of complete folds in one step.

    Raises:
        RunError: The file cannot be written.
    """
    with explained(f"write {folder / RECORD}"):
        disk.write_atomically(folder / RECORD, record.model_dump_json(indent=2).encode() + b"\n")


def folds_id(identities: list[str]) -> str:
    """Return the id of folds, from the identities of their runs as JSON."""
    return sha256("\n".join(sorted(identities)).encode()).hexdigest()[:12]


def _read(path: Path) -> FoldsRecord:
    with explained(f"read {path}"):
        data = disk.read_file(path, largest=_LARGEST_BYTES)
    try:
        return FoldsRecord.model_validate_json(data)
    except (ValidationError, ValueError) as error:
        hint = "repeat the command that trained the folds, which writes it again"
        raise RunError(f"{path} is damaged", expected="a record as dlrun writes it", hint=hint) from error


def _check_run(run: RunFolder, each: FoldRun) -> None:
    again = "repeat the command that trained the folds"
    if not run.run_json.is_file():
        raise RunError(f"the run {each.run} of fold {each.fold} is missing", expected=f"{run.path}", hint=again)
    if run.read_record().weights_sha256 != each.weights_sha256:
        raise RunError(f"the run {each.run} of fold {each.fold} was trained longer since", hint=again)


def _find(batch: str, runs_dir: Path) -> Path:
    if "/" in batch and (Path(batch) / RECORD).is_file():
        return Path(batch)
    known = sorted((path.parent for path in (runs_dir / FOLDS_DIR).glob(f"*/{RECORD}")), key=_written)
    where, start = runs_dir / FOLDS_DIR, "dlrun train CONFIG --set folds=5"
    return find_named(batch, known, where=where, what=("batch of folds", "batches of folds"), start=start)


def _written(folder: Path) -> tuple[int, str]:
    return (folder / RECORD).stat().st_mtime_ns, folder.name
