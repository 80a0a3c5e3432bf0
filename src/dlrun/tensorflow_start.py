"""Import TensorFlow and Keras without the libraries that Keras imports only because it finds them installed."""

from __future__ import annotations

import sys
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
        import keras
        import tensorflow as tf

        del keras, tf
    finally:
        for name in hidden:
            modules.pop(name, None)
