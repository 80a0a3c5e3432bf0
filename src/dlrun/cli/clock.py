"""The start time of the command, read before the slow imports so that reported durations include them."""

from __future__ import annotations

import time

BEGAN = time.perf_counter()
