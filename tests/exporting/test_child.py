"""Models are converted and checked in child processes."""

import signal
from pathlib import Path

import pytest

from dlrun.errors import RunError
from dlrun.exporting.child import run_child

pytestmark = pytest.mark.tensorflow


def test_a_crash_in_a_child_is_one_line(tmp_path: Path) -> None:
    code = f"import os; os.kill(os.getpid(), {signal.SIGSEGV:d})"
    with pytest.raises(RunError, match=r"^it cannot: it crashed \(SIGSEGV\)$"):
        run_child(["-c", code], folder=tmp_path, what="it cannot")
    with pytest.raises(RunError, match=r"^it cannot: ValueError: because$"):
        run_child(["-c", "raise ValueError('because')"], folder=tmp_path, what="it cannot")
    with pytest.raises(OSError, match="No space left"):
        run_child(["-c", "raise OSError(28, 'No space left on device')"], folder=tmp_path, what="it cannot")
