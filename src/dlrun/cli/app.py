"""The commands, gathered; errors turned into messages and exit codes here and nowhere else."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from dlrun.cli.batch import batch
from dlrun.cli.bench import bench
from dlrun.cli.components import components
from dlrun.cli.data import data
from dlrun.cli.doctor import doctor
from dlrun.cli.evaluate import evaluate
from dlrun.cli.explain import explain
from dlrun.cli.export import export
from dlrun.cli.failures import system_error
from dlrun.cli.init import init
from dlrun.cli.launch import launch
from dlrun.cli.plan import plan
from dlrun.cli.predict import predict
from dlrun.cli.printable import printable
from dlrun.cli.report import report
from dlrun.cli.reproduce import reproduce
from dlrun.cli.resume import resume
from dlrun.cli.runs import runs
from dlrun.cli.schema import schema
from dlrun.cli.train import train
from dlrun.cli.validate import validate
from dlrun.errors import MOST_SHOWN, DlrunError, Interrupted, SpecError

_OF_STREAMS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EBADF, errno.EFBIG)
"""What writing to standard output fails with; an error that names no file is of it."""


class _Commands(TyperGroup):
    """Commands in the order in which they are used, and their errors as messages."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; exit with the code of what went wrong."""
        try:
            return super().invoke(ctx)
        except DlrunError as error:
            sys.stderr.write(printable(_message(error)) + "\n")
            raise SystemExit(error.exit_code) from error
        except KeyboardInterrupt as error:
            sys.stderr.write("interrupted\n")
            raise SystemExit(Interrupted.exit_code) from error
        except Exception as error:
            # That the reader of a stream has gone is nothing to tell, and click knows how.
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            if isinstance(error, OSError) and error.filename is None and error.errno in _OF_STREAMS:
                sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  or its rest would fail at the exit
                sys.stderr.write(f"error: cannot write the output: {error.strerror}\n")
                raise SystemExit(DlrunError.exit_code) from error
            explained = system_error(error, reads_data_only=ctx.invoked_subcommand in ("data", "init"))
            if explained is None:
                raise
            sys.stderr.write(printable(_message(explained)) + "\n")
            raise SystemExit(explained.exit_code) from error


def _message(error: DlrunError) -> str:
    if isinstance(error, SpecError):
        count = len(error.problems)
        shown = f"; the first {MOST_SHOWN} are shown" if count > MOST_SHOWN else ""
        return f"{error}\n\n{count:,} problem{'s' if count > 1 else ''} found{shown}"
    return str(error) if isinstance(error, Interrupted) else f"error: {error}"


app = typer.Typer(cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


def _version(value: bool) -> None:  # noqa: FBT001, Typer calls it so
    if value:
        from importlib.metadata import version

        typer.echo(f"dlrun {version('dlrun')}")
        raise typer.Exit


@app.callback()
def dlrun(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),  # noqa: FBT001
) -> None:
    """Train, evaluate and record Keras models from one YAML file."""


app.command()(train)
app.command()(resume)
app.command()(batch)
app.command()(launch)
app.command("eval")(evaluate)
app.command()(predict)
app.command()(export)
app.command()(reproduce)
app.command()(explain)
app.command()(report)
app.add_typer(runs, name="runs")
app.add_typer(data, name="data")
app.command()(validate)
app.command()(plan)
app.command()(bench)
app.command()(init)
app.command()(components)
app.command()(schema)
app.command()(doctor)
