"""Train, evaluate and record Keras models from one YAML file.

Example:
    result = dlrun.train("configs/digits_cnn.yaml")
    dlrun.evaluate(result.folder.path)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlrun.evaluation.evaluate import evaluate
    from dlrun.experiment import plan, train
    from dlrun.prediction.predict import predict
    from dlrun.reproduction import reproduce
    from dlrun.resumption import resume

__all__ = ["evaluate", "plan", "predict", "reproduce", "resume", "train"]

_MODULES = {
    "evaluate": "evaluation.evaluate",
    "predict": "prediction.predict",
    "reproduce": "reproduction",
    "resume": "resumption",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: `dlrun --help` has no use for pydantic and the registries.
    if name not in __all__:
        raise AttributeError(f"module 'dlrun' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"dlrun.{_MODULES.get(name, 'experiment')}"), name)
