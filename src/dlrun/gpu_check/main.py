"""The program of one check: `python -m dlrun.gpu_check.main KEY DEVICE COUNT FOLDER PIPE`."""

from __future__ import annotations

import sys

from dlrun.gpu_check.checks import PROGRAMS
from dlrun.gpu_check.program import run_program

if __name__ == "__main__":
    run_program(PROGRAMS[sys.argv[1]], sys.argv[2:])
