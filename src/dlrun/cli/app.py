"""The Typer application with all commands, and the only place where errors become messages and exit codes."""

from __future__ import annotations

import errno
import os
import re
import sys
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from dlrun.cli.auto import auto
from dlrun.cli.batch.command import batch
from dlrun.cli.batch.ensemble import ensemble
from dlrun.cli.bench import bench
from dlrun.cli.cache import cache
from dlrun.cli.calibrate import calibrate
from dlrun.cli.data import data
from dlrun.cli.display.terminal import tell, width_of, wrapped_message
from dlrun.cli.doctor import doctor
from dlrun.cli.evaluate import evaluate
from dlrun.cli.explain import explain
from dlrun.cli.export import export
from dlrun.cli.failures import system_error
from dlrun.cli.find import find
from dlrun.cli.predict import predict
from dlrun.cli.report import report
from dlrun.cli.runs import runs
from dlrun.cli.search import search
from dlrun.cli.spec.components import components
from dlrun.cli.spec.init import init
from dlrun.cli.spec.plan import plan
from dlrun.cli.spec.schema import schema
from dlrun.cli.spec.validate import validate
from dlrun.cli.training.launch import launch
from dlrun.cli.training.reproduce import reproduce
from dlrun.cli.training.resume import resume
from dlrun.cli.training.train import train
from dlrun.errors import MOST_SHOWN, DlrunError, Interrupted, SpecError
from dlrun.runs.lock import reporting_waits

_OF_STREAMS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EBADF, errno.EFBIG)
"""Error numbers of a failed write to standard output. Such an error names no file."""

_EXTRA = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \(([^ ]+).*\)")
_HABITS = {
    "fit": "dlrun train CONFIG",
    "run": "dlrun train CONFIG",
    "start": "dlrun train CONFIG",
    "continue": "dlrun resume RUN",
    "restart": "dlrun resume RUN",
    "test": "dlrun eval RUN",
    "evaluate": "dlrun eval RUN",
    "score": "dlrun eval RUN",
    "infer": "dlrun predict RUN INPUT",
    "inference": "dlrun predict RUN INPUT",
    "check": "dlrun validate CONFIG, or dlrun data check CONFIG",
    "lint": "dlrun validate CONFIG",
    "summary": "dlrun plan CONFIG",
    "new": "dlrun init",
    "create": "dlrun init",
    "tune": "dlrun search CONFIG",
    "optimize": "dlrun search CONFIG",
    "hpo": "dlrun search CONFIG",
    "automl": "dlrun auto --data FILE",
    "sweep": "dlrun batch CONFIG --grid KEY=VALUE,VALUE, or dlrun search CONFIG",
    "ls": "dlrun runs ls",
    "list": "dlrun runs ls",
    "show": "dlrun runs show RUN",
    "compare": "dlrun runs compare RUN RUN",
    "rm": "dlrun runs rm RUN",
    "tail": "dlrun runs tail RUN",
    "clear": "dlrun cache clear",
    "models": "dlrun components",
    "version": "dlrun --version",
    "help": "dlrun --help",
}
"""Command names that users know from other tools, and the matching command of dlrun."""


class _Commands(TyperGroup):
    """A group that lists commands in their order of use and turns errors into messages."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command, or suggest one if the name is known from other tools."""
        # By meaning, because no similar spelling leads from `fit` to `train`.
        if args and args[0] not in self.commands and args[0] in _HABITS:
            ctx.fail(f"No such command {args[0]!r}. Did you mean: {_HABITS[args[0]]}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; on an error print a message and exit with the code of that error."""
        try:
            with reporting_waits(tell):
                return super().invoke(ctx)
        except DlrunError as error:
            tell(_message(error))
            _exit_at_once_if_half_started(error.exit_code)
            raise SystemExit(error.exit_code) from error
        except KeyboardInterrupt as error:
            tell("interrupted")
            _exit_at_once_if_half_started(Interrupted.exit_code)
            raise SystemExit(Interrupted.exit_code) from error
        except Exception as error:
            if hasattr(error, "format_message"):  # an error of click, which click prints itself
                if type(error).__name__ == "NoSuchOption":
                    _name_the_key(error)
                elif type(error).__name__ == "UsageError":
                    _name_the_option(error)
                _wrap(error)
                raise
            # A closed pipe (`dlrun runs ls | head`) is not an error to report; click handles it.
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            if isinstance(error, OSError) and error.filename is None and error.errno in _OF_STREAMS:
                sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  else flushing it at exit fails again
                tell(f"error: cannot write the output: {error.strerror}")
                raise SystemExit(DlrunError.exit_code) from error
            # The files of `data` and `init` are the user's data, so that a file error is one of the data (exit code 3).
            explained = system_error(error, reads_data_only=ctx.invoked_subcommand in ("data", "init"))
            if explained is None:
                raise
            tell(_message(explained))
            raise SystemExit(explained.exit_code) from error


def _name_the_key(error: Any) -> None:
    """Explain `--set` if an unknown option is a key of the spec: `--epochs 3`."""
    from dlrun.spec.habits import elsewhere

    if paths := elsewhere(error.option_name.lstrip("-")):
        given = " or ".join(f"--set {path}=..." for path in paths)
        error.message += f". A key of the spec is given as {given}"


def _wrap(error: Any) -> None:
    """Wrap the message of a click error to the width of the terminal."""
    prefix = "Error: "
    text = wrapped_message(prefix + error.format_message(), width_of(sys.stderr)).removeprefix(prefix)
    error.format_message = lambda: text


def _name_the_option(error: Any) -> None:
    """Suggest an option for an extra argument: `dlrun train CONFIG epochs=3`, `dlrun eval RUN FILE`."""
    from dlrun.spec.habits import elsewhere

    found = _EXTRA.match(error.message)
    if found is None:
        return
    key, mark, value = found[1].partition("=")
    # A dotted key names its section already.
    paths = (key,) if "." in key else elsewhere(key)
    if mark and paths:
        error.message += ". A key of the spec is given as " + " or ".join(f"--set {path}={value}" for path in paths)
    elif not mark and any("--data" in parameter.opts for parameter in error.ctx.command.params):
        error.message += f". A file is given as --data {found[1]}"


def _exit_at_once_if_half_started(code: int) -> None:
    """Exit without the cleanup of libraries that TensorFlow has loaded only in part: it can crash the process."""
    from dlrun.system.tensorflow_start import is_half_started

    if is_half_started():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _message(error: DlrunError) -> str:
    if isinstance(error, SpecError):
        count = len(error.problems)
        shown = f"; the first {MOST_SHOWN} are shown" if count > MOST_SHOWN else ""
        return f"{error}\n\n{count:,} problem{'s' if count > 1 else ''} found{shown}"
    # An interruption is what the user asked for, so it is not called an error.
    return str(error) if isinstance(error, Interrupted) else f"error: {error}"


# An exception that still reaches Typer is a bug of dlrun and keeps Python's plain traceback.
app = typer.Typer(cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


def _version(value: bool) -> None:  # noqa: FBT001, Typer passes it by position
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
app.add_typer(search, name="search")
app.command()(auto)
app.command()(launch)
app.command("eval")(evaluate)
app.command()(calibrate)
app.command()(predict)
app.command()(export)
app.command()(ensemble)
app.command()(reproduce)
app.command()(explain)
app.command()(report)
app.add_typer(runs, name="runs")
app.add_typer(data, name="data")
app.add_typer(cache, name="cache")
app.command()(validate)
app.command()(plan)
app.command()(bench)
app.add_typer(find, name="find")
app.command()(init)
app.command()(components)
app.command()(schema)
app.command()(doctor)
