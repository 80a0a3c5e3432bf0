"""MLflow, for teams that have it: what a spec says about it, and what its library has to be told."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import Field

from dlrun.component import FieldProblem
from dlrun.errors import RunError, UsageError
from dlrun.tracking.tracker import Journal, RunFacts, Tracker, trackers

_INSTALL = "pip install 'dlrun[mlflow]'"
_WORDS = ("databricks", "databricks-uc", "uc")
"""Addresses that are neither a URI nor a folder."""
_SQLITE_FILE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/)(.+)")
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    # Of MLflow's own 7 with their pauses one request takes four minutes to fail.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""What MLflow's library does where the user's environment does not say otherwise."""


@trackers.register("mlflow")
class MLflow(Tracker):
    """An MLflow server or store, by the package mlflow or mlflow-skinny: `pip install 'dlrun[mlflow]'`."""

    reach_keys: ClassVar[tuple[str, ...]] = ("uri",)

    uri: str | None = Field(
        default=None,
        min_length=1,
        description="The server's address (http://localhost:5000), or a folder (mlruns). null: the environment's "
        "MLFLOW_TRACKING_URI, else MLflow's default. A password belongs into MLFLOW_TRACKING_PASSWORD.",
    )
    experiment: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="Name of the experiment, which is made if there is none. null: the environment's "
        "MLFLOW_EXPERIMENT_NAME or MLFLOW_EXPERIMENT_ID, else Default.",
    )

    def problems(self) -> Iterator[FieldProblem]:
        """A password in the address: a run folder, which is passed on, would keep it."""
        if self.uri is not None and "@" in urlsplit(self.uri).netloc:
            expected, hint = "the address alone", "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            yield FieldProblem(("uri",), "uri holds a name or a password, which spec.yaml would keep", expected, hint)

    def prepare(self) -> None:
        """Look for the package, and settle what its library reads from the environment.

        Raises:
            UsageError: It is not installed, or cannot write the store.
        """
        found = find_spec("mlflow")
        if found is None or found.origin is None:  # a folder called mlflow is found as well
            raise UsageError("tracking: mlflow needs MLflow, which is not installed", hint=_INSTALL)
        uri = self.uri or os.environ.get("MLFLOW_TRACKING_URI") or ""
        # MLflow's default is a database, which mlflow-skinny alone cannot write.
        default_is_folder = not uri and any(Path("mlruns").glob("[0-9]*/meta.yaml"))
        is_database = "sql" in urlsplit(uri).scheme if uri else not default_is_folder
        if is_database and not (find_spec("sqlalchemy") and find_spec("alembic")):
            where = "the database of its uri" if uri else "a database, MLflow's default"
            raise UsageError(
                f"tracking: mlflow would write to {where}, which needs SQLAlchemy and Alembic",
                expected="a server's address or a folder: --set tracking.uri=mlruns",
                hint="pip install sqlalchemy alembic",
            )
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        if default_is_folder or (uri and _is_folder(uri)):
            # A folder that the user asks for, or has runs in, is no accident, which is what MLflow 3 wants to be told.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")

    def absolute(self) -> MLflow:
        """The same with an absolute path, where the store is a folder or a file."""
        if self.uri is None:
            return self
        if _is_folder(self.uri) and not self.uri.startswith("file:"):
            return self.model_copy(update={"uri": str(Path(self.uri).expanduser().absolute())})
        if database := _SQLITE_FILE.fullmatch(self.uri):
            return self.model_copy(update={"uri": database[1] + str(Path(database[2]).absolute())})
        return self

    def open(self, run: RunFacts, *, known_id: str | None) -> Journal:
        """Begin the MLflow run, or go on with it.

        Raises:
            RunError: The server does not answer.
        """
        from dlrun.system.network import find_unreachable

        uri = self.absolute().uri or os.environ.get("MLFLOW_TRACKING_URI")
        # Asked before MLflow is, which would go on asking: a server that is not there is told at once.
        unreachable = find_unreachable([uri]) if uri and uri.startswith(("http://", "https://")) else None
        if unreachable is not None:
            raise RunError(re.sub(r"^\S*@", "", unreachable))
        from dlrun.tracking.mlflow_journal import open_journal

        return open_journal(run, uri=uri, experiment=self.experiment, known_id=known_id)


def _is_folder(uri: str) -> bool:
    return uri not in _WORDS and urlsplit(uri).scheme in ("", "file")
