"""Read the runs that an ensemble is joined from, and check that they predict the same from the same data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from dlrun.data import Dataset, EnsembleSource
from dlrun.data.interface import Interface
from dlrun.data.target_transform import transform_target
from dlrun.errors import DataError, UsageError
from dlrun.models.ensemble.network import Ensemble
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import data_changes, read_interface
from dlrun.runs.query.catalog import find_run
from dlrun.runs.record import DatasetRecord, RunRecord
from dlrun.signature import Target
from dlrun.spec.checks.check import settled_target
from dlrun.spec.parse import SpecFile
from dlrun.spec.stored import read_stored_spec
from dlrun.spec.types import Spec
from dlrun.system.disk import disk, explained

_LEAST = 2


@dataclass(frozen=True)
class MemberRun:
    """A run of an ensemble.

    Args:
        folder: The run.
        record: The content of its run.json.
        file: Its spec.
        interface: The input and output of its model.
    """

    folder: RunFolder
    record: RunRecord
    file: SpecFile
    interface: Interface

    @property
    def spec(self) -> Spec:
        """The spec that the run was trained with."""
        return self.file.spec

    @cached_property
    def recipe(self) -> str:
        """A digest of the spec without its name, its fold and the places of its data; equal for folds of one config."""
        plain = self.spec.plain()
        left_out = {"fold", *self.spec.dataset.place_keys}
        dataset = {key: value for key, value in plain["dataset"].items() if key not in left_out}
        return sha256(json.dumps({**plain, "name": "", "dataset": dataset}, sort_keys=True).encode()).hexdigest()


def read_members(
    runs: Sequence[str], *, runs_dir: Path, overrides: tuple[str, ...] = (), trust_plugins: bool = False
) -> tuple[MemberRun, ...]:
    """Read the runs, and check what can be checked without their data.

    Args:
        runs: The runs, as `find_run` takes them.
        runs_dir: The folder of the runs.
        overrides: Overrides of the dataset section, for data that was moved.
        trust_plugins: Whether to load the plugins of runs that were made elsewhere.

    Raises:
        UsageError: There are too few runs, one of them is named twice or is not complete, or they predict different
            things.
        SpecError: A spec is damaged, or needs more trust.
        RunError: A run is damaged.
    """
    folders = [find_run(run, runs_dir=runs_dir, is_trained=True) for run in runs]
    _check_folders(folders)
    members = tuple(_read(folder, overrides, trust_plugins=trust_plugins) for folder in folders)
    if problems := [problem for member in members[1:] for problem in _differences(members[0], member)]:
        raise UsageError("; ".join(problems), expected="runs that predict the same target from the same kind of data")
    return members


def load_data(members: Sequence[MemberRun]) -> tuple[Dataset, ...]:
    """Load the data of each member; members with the same dataset section share it.

    Raises:
        DataError: The data is missing, or has changed since a member was trained.
    """
    loaded: dict[str, Dataset] = {}
    found = []
    for member in members:
        key = member.spec.dataset.model_dump_json()
        if key not in loaded:
            loaded[key] = transform_target(member.spec.dataset.load(), member.spec.dataset.target_transform)
        dataset, spec = loaded[key], member.spec
        if dataset.target is None:
            raise DataError(f"the data of {member.folder.id} has no target", expected="labels or values")
        target = settled_target(spec.loss, spec.model, dataset.target)
        now = Interface(dataset.name, dataset.raw_input(), dataset.preprocess, dataset.features, target)
        if changes := data_changes(member.folder, DatasetRecord.of(dataset), now):
            raise DataError(
                f"{spec.dataset.data_label(dataset)} has changed since {member.folder.id} was trained: "
                + "; ".join(changes),
                expected="the data that all members were trained on",
            )
        found.append(dataset)
    _check_files(members)
    return tuple(found)


def _check_folders(folders: Sequence[RunFolder]) -> None:
    if len(folders) < _LEAST:
        raise UsageError(f"an ensemble of {len(folders)} run", expected="at least two runs")
    paths = [folder.path.resolve() for folder in folders]
    for index, path in enumerate(paths):
        if path in paths[:index]:
            raise UsageError(f"the run {folders[index].id} is given twice", expected="each run once")
    for folder in folders:
        if (status := folder.status) != "completed":
            raise UsageError(
                f"the run {folder.id} is {status}", expected="completed runs", hint=f"dlrun resume {folder.id}"
            )


def _read(folder: RunFolder, overrides: tuple[str, ...], *, trust_plugins: bool) -> MemberRun:
    file = read_stored_spec(folder, overrides, trust_plugins=trust_plugins)
    if isinstance(file.spec.model, Ensemble) or isinstance(file.spec.dataset, EnsembleSource):
        raise UsageError(
            f"the run {folder.id} is an ensemble already",
            expected="runs that were trained",
            hint=f"give its members instead: dlrun runs show {folder.id}",
        )
    interface = read_interface(folder)
    if interface.target.kind == "input":
        raise UsageError(
            f"the run {folder.id} is an autoencoder", expected="runs that predict classes, labels or values"
        )
    if interface.target.kind == "mask":
        raise UsageError(f"the run {folder.id} predicts masks", expected="runs that predict classes, labels or values")
    return MemberRun(folder, folder.read_record(), file, interface)


def _differences(first: MemberRun, other: MemberRun) -> Iterator[str]:
    """Yield why two runs cannot be joined, as far as their interfaces show."""
    one, two = first.interface.target, other.interface.target
    names = f"{first.folder.id} and {other.folder.id}"
    if (one.kind, one.size) != (two.kind, two.size):
        yield f"{first.folder.id} predicts {_predicted(one)}, but {other.folder.id} predicts {_predicted(two)}"
    elif sorted(one.output_names) != sorted(two.output_names):
        yield f"{names} predict different {one.kind}: {_few(one.output_names)}, and {_few(two.output_names)}"
    elif one.output_names != two.output_names:
        yield f"{names} have their {one.kind} in another order: {_few(one.output_names)}, and {_few(two.output_names)}"
    if one.levels != two.levels:
        yield f"{names} predict different quantiles: {_levels(one)}, and {_levels(two)}"
    kinds = first.interface.raw.type, other.interface.raw.type
    if kinds[0] != kinds[1]:
        yield f"{first.folder.id} was trained on data of the kind {kinds[0]}, and {other.folder.id} on {kinds[1]}"
    lengths = [each.interface.preprocess.raw_shape[0] for each in (first, other)]
    if first.interface.raw.has_steps and lengths[0] != lengths[1]:
        yield f"{names} look back over {lengths[0]} and {lengths[1]} steps, so they do not forecast the same rows"


def _predicted(target: Target) -> str:
    nouns = {"values": "number", "classes": "class", "labels": "label", "class_columns": "class"}
    noun, count = nouns[target.kind], target.size
    plural = {"class": "classes"}.get(noun, f"{noun}s")
    return f"{count:,} {noun if count == 1 else plural}"


def _levels(target: Target) -> str:
    return ", ".join(f"{level:g}" for level in target.levels) or "none"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _check_files(members: Sequence[MemberRun]) -> None:
    """Check that members whose data lies in different places have files with the same content.

    Rows in the form of one member cannot be compared with those of another, so that the files have to be equal.

    Raises:
        DataError: The content differs; the error names the members.
    """
    first = members[0]
    places = [tuple(place.resolve() for place in member.spec.dataset.places()) for member in members]
    if all(place == places[0] for place in places):
        return
    contents = {path: _content(path) for own in places for path in own if path.is_file()}
    known = [[contents.get(path, "") for path in own] for own in places]
    for member, own, content in zip(members[1:], places[1:], known[1:], strict=True):
        if content != known[0]:
            one, other = (", ".join(map(str, each)) for each in (places[0], own))
            raise DataError(
                f"{member.folder.id} was trained on {other}, and {first.folder.id} on {one}, which differ",
                expected="the same data",
            )


def _content(path: Path) -> str:
    with explained(f"read {path}"):
        return sha256(disk.read_file(path)).hexdigest()


def validation_scores(members: Sequence[MemberRun]) -> Mapping[str, float | None]:
    """Return the mean over the members of each validation score; empty if one has none."""
    scores: list[Mapping[str, Any]] = [member.record.result.get("validation", {}) for member in members]
    names = [name for name in scores[0] if all(each.get(name) is not None for each in scores)]
    return {name: sum(each[name] for each in scores) / len(scores) for name in names}
