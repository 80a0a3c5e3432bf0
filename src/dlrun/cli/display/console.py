"""Sends output to the right place: results to stdout, messages to stderr and log.txt, library noise to log.txt only."""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from dlrun.cli.display.printable import printable
from dlrun.cli.display.terminal import width_of, wrap
from dlrun.errors import RunError
from dlrun.system.disk import disk, explained
from dlrun.training.progress.events import WARNING

if TYPE_CHECKING:
    from rich.console import Console as RichConsole


def print_json(value: Any) -> None:
    """Write a value to stdout as JSON."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def output_width() -> int | None:
    """Return the width of stdout in terminal cells; None if it is not a terminal."""
    return width_of(sys.stdout)


class Console:
    """The user's terminal, separate from the stderr of the process.

    Args:
        quiet: Whether stderr gets only warnings; the log still gets everything.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.terminal: TextIO = sys.stderr
        self.above: RichConsole | None = None
        """The rich console that prints above the live display; None while nothing is live."""
        self._log: int | None = None

    @property
    def width(self) -> int | None:
        """The width of the terminal in cells; None if nobody is watching."""
        return width_of(self.terminal) if self.is_terminal else None

    @property
    def is_terminal(self) -> bool:
        """Whether a person is watching."""
        return self.terminal.isatty() and os.environ.get("TERM") != "dumb" and not self.quiet

    def say(self, text: str = "", *, is_command: bool = False) -> None:
        """Write a line to stderr and to the log.

        Args:
            text: The line. It is wrapped to the width of the terminal.
            is_command: Whether the text is a command to copy, which must not be wrapped.
        """
        self.log(text)
        if not self.quiet:
            self._show(text, is_command=is_command)

    def warn(self, text: str) -> None:
        """Write a warning to stderr, even with `quiet`, and to the log."""
        line = f"{WARNING:<10} {text}"
        self.log(line)
        self._show(line)

    def result(self, text: str = "") -> None:
        """Write a line to stdout and to the log."""
        self.log(text)
        sys.stdout.write(wrap(printable(text), output_width()) + "\n")
        sys.stdout.flush()

    def log(self, text: str) -> None:
        """Write a line to the log only."""
        if self._log is None:
            return
        try:
            # Without a buffer, because libraries write to the same file through descriptor 2: lines stay in order, and
            # a crash loses none.
            os.write(self._log, (printable(text) + "\n").encode(errors="replace"))
        except OSError as error:
            # Closed first, because `warn` logs too and would fail here again.
            self._close_log()
            self.warn(f"log.txt ends here: {error.strerror}; later messages are printed but not logged")

    def open_log(self, path: Path) -> None:
        """Log to `path` from now on, and redirect the stderr of the process there too.

        If the log cannot be written, warn and continue without it.
        """
        try:
            with explained(f"write {path}"):
                self._log = disk.open_end(path)
        except RunError as error:
            self.warn(f"{error.what}: later messages are printed but not logged")
            return
        os.dup2(self._log, 2)

    @contextmanager
    def noise_kept_away(self) -> Iterator[None]:
        """Hide what libraries write to stderr.

        TensorFlow's C++ code writes to file descriptor 2 directly, so the descriptor itself is redirected. A crash of
        native code still prints its Python stack to the terminal.
        """
        # Text that is still buffered was meant for the terminal, not for where descriptor 2 will point.
        sys.stderr.flush()
        saved = os.dup(2)
        # A copy, so that closing the terminal leaves `saved` for the restoration.
        self.terminal = os.fdopen(os.dup(saved), "w", encoding="utf-8", errors="replace")
        faulthandler.enable(file=self.terminal)
        with tempfile.TemporaryFile() as noise:
            os.dup2(noise.fileno(), 2)
            try:
                yield
            finally:
                with suppress(OSError):  # buffered library output goes to the log, and its disk may be full
                    sys.stderr.flush()
                os.dup2(saved, 2)
                os.close(saved)
                # Before the terminal is closed: the handler keeps its descriptor number, which another file may get.
                faulthandler.disable()
                with suppress(OSError):
                    self.terminal.close()
                self.terminal = sys.stderr
                self._close_log()

    def _show(self, text: str, *, is_command: bool = False) -> None:
        line = wrap(printable(text), self.width, is_command=is_command)
        with suppress(OSError):  # the terminal or pipe was closed; training continues without it
            if self.above is not None:
                # The line is wrapped already, and brackets in it are text, not markup of rich.
                self.above.print(line, markup=False, highlight=False, soft_wrap=True)
            else:
                self.terminal.write(line + "\n")
                self.terminal.flush()

    def _close_log(self) -> None:
        if self._log is not None:
            with suppress(OSError):
                os.close(self._log)
            self._log = None
