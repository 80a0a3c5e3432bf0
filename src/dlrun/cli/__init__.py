"""The command line: one file for each command, and one place where errors become messages and exit codes."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from dlrun.cli import clock as clock  # the time is read here, before the commands are imported

_heard: list[int] = []


def main() -> None:
    """Run the command line of this process."""
    _open_closed_streams()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell's background job ignores it
        signal.signal(signal.SIGINT, _interrupt)
    try:
        from dlrun.cli.app import app

        app()
    except KeyboardInterrupt:  # only while the commands are imported; app.py handles later ones
        raise SystemExit(130) from None
    except Exception:
        if not _heard:
            raise
        # Interrupting the import of a C extension can raise an ImportError instead of KeyboardInterrupt.
        sys.stderr.write("interrupted\n")
        raise SystemExit(130) from None


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Kept, because the KeyboardInterrupt that is raised here may reach `main` as another error.
    _heard.append(number)
    signal.default_int_handler(number, frame)


def _open_closed_streams() -> None:
    # In `dlrun ... 2>&-` the next file to be opened gets descriptor 2, and TensorFlow would write its log into it.
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
    # Python has set these to None if the descriptor was closed when it started.
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8")
