"""Import TensorFlow and Keras without the libraries that Keras imports only because it finds them installed."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

_OPTIONAL = ("matplotlib", "pandas", "sklearn")
"""What Keras 3.15 tries to import at its own start, and does without; together they cost seconds."""


def start_tensorflow() -> None:
    """Import TensorFlow; what Keras does not need of it is imported when dlrun, or a plugin, asks for it."""
    if "keras" in sys.modules:
        return
    modules: dict[str, Any] = sys.modules  # None in it is how Python is told that there is no such module
    hidden = [name for name in _OPTIONAL if name not in modules]
    for name in hidden:
        modules[name] = None
    try:
        with nullcontext() if "dlrun.cli" in modules else _silent_start():
            import keras
            import tensorflow as tf

            del keras, tf
        if "dlrun.cli" not in modules:  # advice about the speed of dlrun's own functions, as of repeated tracing
            logging.getLogger("tensorflow").setLevel(logging.ERROR)
    finally:
        for name in hidden:
            modules.pop(name, None)


@contextmanager
def _silent_start() -> Iterator[None]:
    """Keep from the user what C++ code writes to file descriptor 2 while it is loaded; a command has a log for it.

    TensorFlow 2.21 writes some of it before it looks at TF_CPP_MIN_LOG_LEVEL.
    """
    try:
        sys.stderr.flush()
        saved = os.dup(2)
    except (OSError, AttributeError, ValueError):  # there is no such stream
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
