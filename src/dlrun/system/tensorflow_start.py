"""Import TensorFlow and Keras, without optional libraries that Keras imports if they are installed."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

_OPTIONAL = ("matplotlib", "pandas", "sklearn")
"""What Keras 3.15 tries to import at its start, but does not need; together they take seconds."""


def start_tensorflow() -> None:
    """Import TensorFlow; optional libraries are only imported later, if dlrun or a plugin needs them."""
    if "keras" in sys.modules:
        return
    modules: dict[str, Any] = sys.modules  # an entry None makes Python behave as if the module were not installed
    hidden = [name for name in _OPTIONAL if name not in modules]
    for name in hidden:
        modules[name] = None
    try:
        with nullcontext() if "dlrun.cli" in modules else _silent_start():
            import keras
            import tensorflow as tf

            del keras, tf
        if "dlrun.cli" not in modules:  # hide TensorFlow's advice about the speed of dlrun's own functions
            logging.getLogger("tensorflow").setLevel(logging.ERROR)
    finally:
        for name in hidden:
            modules.pop(name, None)


def is_half_started() -> bool:
    """Return whether the import of TensorFlow has begun and was interrupted."""
    return "keras" not in sys.modules and any(name.startswith("tensorflow.") for name in sys.modules)


@contextmanager
def _silent_start() -> Iterator[None]:
    """Hide what C++ libraries write to file descriptor 2 while they are loaded; commands send it to their log instead.

    TensorFlow 2.21 writes some of it before it reads TF_CPP_MIN_LOG_LEVEL.
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
