"""The program of one task of a Slurm array: it trains or resumes a run, and logs the run's events to its log.txt."""

from __future__ import annotations

import sys

from dlrun.batching.backends.slurm.body import work_task
from dlrun.cli.batch.worker import logged

if __name__ == "__main__":
    sys.exit(work_task(sys.argv[1:], shown=logged))
