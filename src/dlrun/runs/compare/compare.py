"""Compare several runs: the spec keys that differ, the scores, and warnings about what makes them hard to compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dlrun.errors import RunError, UsageError
from dlrun.runs.directions import Direction, derive_directions, find_direction
from dlrun.runs.flat_spec import Value, read_flat_spec
from dlrun.runs.folder import RunFolder
from dlrun.runs.record import RunRecord

_SPLITS = ("train", "validation", "test")
_FINGERPRINT_LETTERS = 12
_FOLD = "dataset.fold."
_PLACES = ("name",)  # the name does not count as a difference between two runs


@dataclass(frozen=True)
class ComparisonLine:
    """One line of a comparison.

    Args:
        section: `spec`, `score`, `outcome` or `environment`.
        key: A dotted key of the spec, or a name such as `validation accuracy`, `seconds` or `keras`.
        values: The value of each run; None if a run has none.
        direction: For a score, whether the largest or the smallest value is best; None if the runs do not record it, or
            disagree.
    """

    section: str
    key: str
    values: tuple[Any, ...]
    direction: Direction | None = None

    @property
    def best(self) -> tuple[int, ...]:
        """The positions of the runs with the best value, from 0; empty if the direction is unknown."""
        known = [value for value in self.values if value is not None]
        if self.direction is None or not known:
            return ()
        best = max(known) if self.direction == "max" else min(known)
        return tuple(number for number, value in enumerate(self.values) if value == best)


@dataclass(frozen=True)
class RunComparison:
    """Runs side by side.

    Args:
        ids: The ids of the runs, in the order in which they were given.
        lines: The spec keys that differ; then every score and outcome; then what differs in the environment.
        warnings: What makes the scores hard to compare, such as other data, another commit, or other versions.
    """

    ids: tuple[str, ...]
    lines: tuple[ComparisonLine, ...]
    warnings: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """Return the comparison as plain JSON values."""
        sections: dict[str, dict[str, dict[str, Any]]] = {}
        for line in self.lines:
            sections.setdefault(line.section, {})[line.key] = dict(zip(self.ids, line.values, strict=True))
        best = {line.key: [self.ids[number] for number in line.best] for line in self.lines if line.direction}
        return {"runs": list(self.ids), **sections, "best": best, "warnings": list(self.warnings)}


def compare_runs(folders: Sequence[RunFolder]) -> RunComparison:
    """Compare runs with each other.

    Args:
        folders: Two or more runs.

    Raises:
        UsageError: There are fewer than two runs, or one is given twice.
        RunError: The record of a run cannot be read.
    """
    ids = tuple(folder.id for folder in folders)
    if len({folder.path.resolve() for folder in folders}) < max(len(folders), 2):
        raise UsageError(
            f"there is nothing to compare in {', '.join(ids)}",
            expected="two or more runs, each once",
            hint="dlrun runs ls",
        )
    records = [folder.read_record() for folder in folders]
    specs, unread = _specs(folders)
    environment = tuple(_environment(records))
    directions = [
        record.directions or derive_directions(spec, {name for scores in record.result.values() for name in scores})
        for record, spec in zip(records, specs, strict=True)
    ]
    keys = tuple(_differing("spec", specs))
    lines = (*keys, *_scores(records, directions), *_outcomes(records, folders), *environment)
    return RunComparison(ids, lines, (*unread, *_warnings(keys, environment)))


def _specs(folders: Sequence[RunFolder]) -> tuple[list[Mapping[str, Value]], tuple[str, ...]]:
    specs: list[Mapping[str, Value]] = []
    unread = []
    for folder in folders:
        try:
            specs.append(read_flat_spec(folder.spec_yaml))
        except RunError as error:
            unread.append(error.what)
            specs.append({})
    return specs, tuple(unread)


def _differing(section: str, of_runs: Sequence[Mapping[str, Any]]) -> Iterator[ComparisonLine]:
    for key in dict.fromkeys(key for values in of_runs for key in values if key not in _PLACES):
        values = tuple(of_run.get(key) for of_run in of_runs)
        if any(value != values[0] or type(value) is not type(values[0]) for value in values[1:]):
            yield ComparisonLine(section, key, values)


def _scores(records: Sequence[RunRecord], directions: Sequence[Mapping[str, str]]) -> Iterator[ComparisonLine]:
    splits = dict.fromkeys((*_SPLITS, *(split for record in records for split in record.result)))
    for split in splits:
        for metric in dict.fromkeys(metric for record in records for metric in record.result.get(split, ())):
            values = tuple(record.result.get(split, {}).get(metric) for record in records)
            yield ComparisonLine("score", f"{split} {metric}", values, _direction(metric, directions))
    for metric in dict.fromkeys(record.best.metric for record in records if record.best):
        bests = [record.best if record.best and record.best.metric == metric else None for record in records]
        values = tuple(best.value if best else None for best in bests)
        yield ComparisonLine("score", f"best {metric}", values, _direction(metric, directions))
        yield ComparisonLine("score", f"epoch of best {metric}", tuple(best.epoch if best else None for best in bests))


def _direction(metric: str, directions: Sequence[Mapping[str, str]]) -> Direction | None:
    with suppress(UsageError):
        return find_direction(metric, directions, write=str)
    return None


def _outcomes(records: Sequence[RunRecord], folders: Sequence[RunFolder]) -> Iterator[ComparisonLine]:
    questions: dict[str, Callable[[RunRecord], Any]] = {
        "seconds": lambda record: record.seconds,
        "examples/s": lambda record: record.throughput,
        "parameters": lambda record: record.model.parameters if record.model else None,
    }
    statuses = (folder.status_of(record) for folder, record in zip(folders, records, strict=True))
    yield ComparisonLine("outcome", "status", tuple(statuses))
    for key, question in questions.items():
        yield ComparisonLine("outcome", key, tuple(map(question, records)))


def _environment(records: Sequence[RunRecord]) -> Iterator[ComparisonLine]:
    circumstances = [_circumstances(record) for record in records]
    # Runs of earlier versions recorded no names: then nothing is known of a difference.
    names = [record.dataset.names_sha256 if record.dataset else None for record in records]
    if None not in names:
        data = [{"data names": str(each)[:_FINGERPRINT_LETTERS]} for each in names]
        circumstances = [each | own for each, own in zip(data, circumstances, strict=True)]
    yield from _differing("environment", circumstances)


def _circumstances(record: RunRecord) -> dict[str, Any]:
    git = record.git or {}
    commit = git.get("commit")
    chosen = {"device": record.device, "precision": record.precision, "jit": record.jit}
    return {
        "data fingerprint": record.dataset.fingerprint[:_FINGERPRINT_LETTERS] if record.dataset else None,
        "commit": str(commit)[:_FINGERPRINT_LETTERS] if commit else None,
        "uncommitted changes": bool(git.get("dirty")),
        **{key: choice.value if choice else None for key, choice in chosen.items()},
        **record.versions,
        "cpu": record.machine.get("cpu"),
    }


def _warnings(spec_keys: Sequence[ComparisonLine], environment: Sequence[ComparisonLine]) -> Iterator[str]:
    texts = {
        "data fingerprint": "the runs used different data: their scores are not comparable",
        "data names": "the runs used data with other classes, columns or categories: their scores are not comparable",
        "commit": "the runs come from different commits",
        "uncommitted changes": "some of the runs come from code with uncommitted changes: see their git.diff",
    }
    keys = {line.key for line in environment}
    if any(line.key.startswith(_FOLD) for line in spec_keys):
        yield "the validation splits of the runs are different folds: their validation scores are of other examples"
        # What is measured on the training split, such as a vocabulary, differs for that reason alone.
        keys -= {"data fingerprint", "data names"}
    yield from (text for key, text in texts.items() if key in keys)
    versions = [line.key for line in environment if line.key in ("python", "dlrun", "tensorflow", "keras", "numpy")]
    if versions:
        yield f"the runs used different versions of {', '.join(versions)}"
