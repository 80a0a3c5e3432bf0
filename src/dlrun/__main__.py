"""`python -m dlrun`: the same as the command `dlrun`, which does not have the current folder on its path."""

import os
import sys


def _leave_current_folder_out() -> None:
    source = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  pathlib.py may lie here
    try:
        is_current = os.path.samefile(sys.path[0] or os.path.curdir, os.path.curdir)  # noqa: PTH121
    except OSError:  # the current folder has been removed
        return
    if is_current and not sys.flags.safe_path and sys.path[0] != source:
        del sys.path[0]


_leave_current_folder_out()

from dlrun.cli import main  # noqa: E402  found only where dlrun is

main()
