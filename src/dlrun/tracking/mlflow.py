"""The MLflow tracker: its keys in a spec, and the settings of its library."""

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
"""Special addresses that are neither URIs nor folders."""
_SQLITE_FILE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/)(.+)")
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    # With the default of 7 retries and their pauses, a request takes four minutes to fail.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""Settings of the MLflow library, unless the environment of the user sets them."""


@trackers.register("mlflow")
class MLflow(Tracker):
    """Log to an MLflow server or store. Needs mlflow or mlflow-skinny: `pip install 'dlrun[mlflow]'`."""

    reach_keys: ClassVar[tuple[str, ...]] = ("uri",)

    uri: str | None = Field(
        default=None,
        min_length=1,
        description="Address of the server (http://localhost:5000), or a folder (mlruns). null: the environment "
        "variable MLFLOW_TRACKING_URI, or the default of MLflow. Put a password into MLFLOW_TRACKING_PASSWORD.",
    )
    experiment: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="Name of the experiment, which is created if it does not exist. null: the environment variable "
        "MLFLOW_EXPERIMENT_NAME or MLFLOW_EXPERIMENT_ID, or Default.",
    )

    def problems(self) -> Iterator[FieldProblem]:
        """Yield a password in the address, which would be stored in the run folder and shared with it."""
        if self.uri is not None and "@" in urlsplit(self.uri).netloc:
            expected, hint = "only the address", "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead"
            yield FieldProblem(
                ("uri",), "uri contains a user name or a password, which would be stored in spec.yaml", expected, hint
            )

    def prepare(self) -> None:
        """Check that the package is installed, and set the environment variables of its library.

        Raises:
            UsageError: The package is not installed, or a package for the store is missing.
        """
        found = find_spec("mlflow")
        if found is None or found.origin is None:  # find_spec also finds a folder named mlflow
            raise UsageError("tracking: mlflow needs MLflow, which is not installed", hint=_INSTALL)
        uri = self.uri or os.environ.get("MLFLOW_TRACKING_URI") or ""
        # The default store of MLflow is a database, which mlflow-skinny alone cannot write.
        default_is_folder = not uri and any(Path("mlruns").glob("[0-9]*/meta.yaml"))
        is_database = "sql" in urlsplit(uri).scheme if uri else not default_is_folder
        if is_database and not (find_spec("sqlalchemy") and find_spec("alembic")):
            where = "the database of its uri" if uri else "a database, the default of MLflow"
            raise UsageError(
                f"tracking: mlflow would write to {where}, which needs SQLAlchemy and Alembic",
                expected="the address of a server, or a folder: --set tracking.uri=mlruns",
                hint="pip install sqlalchemy alembic",
            )
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        if default_is_folder or (uri and _is_folder(uri)):
            # MLflow 3 refuses file stores without this flag; here the user asked for one or already has runs in it.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")

    def absolute(self) -> MLflow:
        """Return the tracker with an absolute path, if the store is a folder or a file."""
        if self.uri is None:
            return self
        if _is_folder(self.uri) and not self.uri.startswith("file:"):
            return self.model_copy(update={"uri": str(Path(self.uri).expanduser().absolute())})
        if database := _SQLITE_FILE.fullmatch(self.uri):
            return self.model_copy(update={"uri": database[1] + str(Path(database[2]).absolute())})
        return self

    def open(self, run: RunFacts, *, known_id: str | None) -> Journal:
        """Start the MLflow run, or continue it.

        Raises:
            RunError: The server does not answer.
        """
        from dlrun.system.network import find_unreachable

        uri = self.absolute().uri or os.environ.get("MLFLOW_TRACKING_URI")
        # Check first, because MLflow would retry for minutes before it reports that the server is unreachable.
        unreachable = find_unreachable([uri]) if uri and uri.startswith(("http://", "https://")) else None
        if unreachable is not None:
            raise RunError(re.sub(r"^\S*@", "", unreachable))
        from dlrun.tracking.mlflow_journal import open_journal

        return open_journal(run, uri=uri, experiment=self.experiment, known_id=known_id)


def _is_folder(uri: str) -> bool:
    return uri not in _WORDS and urlsplit(uri).scheme in ("", "file")
