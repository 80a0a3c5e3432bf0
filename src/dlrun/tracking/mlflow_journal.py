"""Log a run to MLflow with its client, within the limits of MLflow."""

from __future__ import annotations

import math
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dlrun.tracking.tracker import Ending, Journal, RunFacts

if TYPE_CHECKING:
    from mlflow import MlflowClient

_KEY_CHARACTERS = 250
_PARAM_CHARACTERS = 6000
_TAG_CHARACTERS = 5000
_PER_BATCH = 100
_NOT_IN_A_NAME = re.compile(r"[^\w.\- :]")
_STATUS: Mapping[Ending, str] = {"completed": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
_TAG = "dlrun."
_RUN_TAG = f"{_TAG}run_id"


class MLflowJournal(Journal):
    """The journal of a run in MLflow.

    Args:
        client: Client of the store.
        run: The run in MLflow.
    """

    def __init__(self, client: MlflowClient, run: Any) -> None:
        self._client = client
        self.id = run.info.run_id
        self.place = _place(client.tracking_uri, run)
        self.epochs = int(run.data.metrics.get("epoch", 0))

    def log_epoch(self, row: Mapping[str, float | int | None]) -> None:
        """Log every column of the row as a metric, with the epoch as the step."""
        self._log_metrics(row, step=int(row["epoch"] or 0))

    def log_scores(self, scores: Mapping[str, float], *, epoch: int) -> None:
        """Log the scores as metrics of the last epoch."""
        self._log_metrics(scores, step=epoch)

    def log_end(self, ending: Ending, tags: Mapping[str, str]) -> None:
        """Set the final tags and the status of the run."""
        self.log_tags(tags)
        self._client.set_terminated(self.id, status=_STATUS[ending])

    def log_file(self, path: Path, *, name: str) -> None:
        """Log a file as an artifact, in the same folder as in the run."""
        folder = str(Path(name).parent)
        self._client.log_artifact(self.id, str(path), None if folder == "." else folder)

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, prefixed with `dlrun.`."""
        from mlflow.entities import RunTag

        named = [
            RunTag(f"{_TAG}{name}"[:_KEY_CHARACTERS], _cut(value, _TAG_CHARACTERS)) for name, value in tags.items()
        ]
        for batch in _batches(named):
            self._client.log_batch(self.id, tags=batch)

    def log_params(self, params: Mapping[str, str], *, known: Mapping[str, str]) -> None:
        """Log params that are new to MLflow. MLflow params are immutable, so a changed value becomes a tag.

        Args:
            params: Params of the run.
            known: Params that the MLflow run already has.
        """
        from mlflow.entities import Param

        fitted, altered = fit_params(params)
        new = [Param(name, value) for name, value in fitted.items() if name not in known]
        for batch in _batches(new):
            self._client.log_batch(self.id, params=batch)
        changed = {name: value for name, value in fitted.items() if known.get(name, value) != value}
        self.log_tags({f"changed.{name}": value for name, value in changed.items()})
        if altered:
            self.log_tags({"params_altered": ", ".join(altered)})
            note = f"{len(altered)} params were shortened or renamed for the limits of MLflow"
            self.notes = (f"{note}; its artifact spec.yaml has the originals",)

    def _log_metrics(self, values: Mapping[str, float | int | None], *, step: int) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        metrics = [
            Metric(_NOT_IN_A_NAME.sub("_", name), math.nan if value is None else float(value), now, step)
            for name, value in values.items()
        ]
        self._client.log_batch(self.id, metrics=metrics)


def open_journal(run: RunFacts, *, uri: str | None, experiment: str | None, known_id: str | None) -> MLflowJournal:
    """Find the MLflow run of a resumed run, or create one, and log its tags and params.

    Args:
        run: Facts known before the first step.
        uri: Address of the store; None for the default of MLflow.
        experiment: Name of the experiment; None for the one set in the environment.
        known_id: Id of the earlier MLflow run of this run, if any.
    """
    from mlflow import MlflowClient
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    client = MlflowClient(tracking_uri=uri)
    found = _known_run(client, run, known_id)
    experiment_id = _experiment_id(client, experiment)
    if found is None and run.goes_on:
        runs = client.search_runs([experiment_id], f"tags.`{_RUN_TAG}` = '{run.id}'", max_results=1)
        found = next(iter(runs), None)
    if found is not None:
        client.update_run(found.info.run_id, status="RUNNING")
    else:
        tags = {"mlflow.source.name": Path(sys.argv[0]).name, "mlflow.source.type": "LOCAL"}
        if commit := run.tags.get("git_commit"):
            tags["mlflow.source.git.commit"] = commit
        tags[_RUN_TAG] = run.id
        if run.parent is not None:
            tags[MLFLOW_PARENT_RUN_ID] = run.parent
        found = client.create_run(experiment_id, run_name=run.id, tags=tags)
    journal = MLflowJournal(client, found)
    journal.log_tags(run.tags)
    journal.log_params(run.params, known=found.data.params)
    return journal


def fit_params(params: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Fit params into the limits of MLflow: names of 250 letters, digits and `_.-: `, values of 6000 characters.

    Returns:
        The params, and the names of those that changed. Names stay unique.
    """
    fitted: dict[str, str] = {}
    altered = []
    for name, value in params.items():
        short = base = _NOT_IN_A_NAME.sub("_", name)[:_KEY_CHARACTERS]
        number = 1
        while short in fitted:
            number += 1  # two names became equal: number the later one
            ending = f" {number}"
            short = base[: _KEY_CHARACTERS - len(ending)] + ending
        fitted[short] = _cut(value, _PARAM_CHARACTERS)
        if (short, fitted[short]) != (name, value):
            altered.append(short)
    return fitted, altered


def _known_run(client: MlflowClient, run: RunFacts, known_id: str | None) -> Any:
    from mlflow.exceptions import MlflowException

    if known_id is None:
        return None
    try:
        found = client.get_run(known_id)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None  # in another store, or deleted
        raise
    # run.json may come from another user and contain the id of an unrelated MLflow run.
    is_this = found.data.tags.get(_RUN_TAG) == run.id and found.info.lifecycle_stage == "active"
    return found if is_this else None


def _experiment_id(client: MlflowClient, name: str | None) -> str:
    from mlflow.exceptions import MlflowException

    name = name or os.environ.get("MLFLOW_EXPERIMENT_NAME")
    if name is None and (known := os.environ.get("MLFLOW_EXPERIMENT_ID")):
        return known
    name = name or "Default"
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            made: str = client.create_experiment(name)
        except MlflowException as error:
            found = client.get_experiment_by_name(name)  # another run may have created it in the meantime
            if error.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
                raise
        else:
            return made
    return str(found.experiment_id)


def _place(uri: str, run: Any) -> str:
    parts = urlsplit(uri)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    if parts.scheme in ("http", "https"):
        return f"{bare.rstrip('/')}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    return f"{bare}, run {run.info.run_id}"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 3] + "..."


def _batches(entities: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(entities), _PER_BATCH):
        yield entities[start : start + _PER_BATCH]
