"""When the command began, read before anything else is imported: what its duration is counted from."""

from __future__ import annotations

import time

BEGAN = time.perf_counter()
