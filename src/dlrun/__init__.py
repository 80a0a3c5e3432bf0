"""Train, evaluate and record Keras models from one YAML file.

import dlrun

result = dlrun.train("configs/digits_cnn.yaml")
dlrun.evaluate(result.folder.id)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlrun.experiment import evaluate, train

__all__ = ["evaluate", "train"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: `dlrun --help` has no use for pydantic and the registries.
    if name in __all__:
        from dlrun import experiment

        return getattr(experiment, name)
    raise AttributeError(f"module 'dlrun' has no attribute {name!r}")
