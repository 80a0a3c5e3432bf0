"""Where text goes: results to stdout, the rest to stderr and to the run's log.txt, TensorFlow's noise to that log."""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO


def print_json(value: Any) -> None:
    """Write a value to stdout as JSON."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


class Console:
    """The user's terminal, kept apart from the process' own stderr.

    Args:
        quiet: Whether to keep everything from stderr; the log still gets it.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.terminal: TextIO = sys.stderr
        self._log: TextIO | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether a person is watching."""
        return self.terminal.isatty() and os.environ.get("TERM") != "dumb" and not self.quiet

    def say(self, text: str = "") -> None:
        """Write a line to stderr and to the log."""
        self.log(text)
        if not self.quiet:
            self.terminal.write(text + "\n")
            self.terminal.flush()

    def result(self, text: str = "") -> None:
        """Write a line to stdout and to the log."""
        self.log(text)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def log(self, text: str) -> None:
        """Write a line to the log alone."""
        if self._log is not None:
            self._log.write(text + "\n")
            self._log.flush()

    def open_log(self, path: Path) -> None:
        """From now on log to `path`, and send what the process writes to its stderr there too."""
        self._log = path.open("a", encoding="utf-8")
        os.dup2(self._log.fileno(), 2)

    @contextmanager
    def noise_kept_away(self) -> Iterator[None]:
        """Keep what libraries write to file descriptor 2 from the user: TensorFlow's C++ code writes there directly.

        A crash of native code still reaches the terminal, as a Python stack.
        """
        sys.stderr.flush()
        saved = os.dup(2)
        self.terminal = os.fdopen(os.dup(saved), "w", encoding="utf-8", errors="replace")
        faulthandler.enable(file=self.terminal)
        with tempfile.TemporaryFile() as noise:
            os.dup2(noise.fileno(), 2)
            try:
                yield
            finally:
                sys.stderr.flush()
                os.dup2(saved, 2)
                os.close(saved)
                faulthandler.disable()
                self.terminal.close()
                self.terminal = sys.stderr
                if self._log is not None:
                    self._log.close()
                    self._log = None
