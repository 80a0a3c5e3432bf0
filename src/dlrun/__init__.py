"""Train, evaluate and record Keras models from one YAML file.

Example:
    result = dlrun.train("configs/digits_cnn.yaml")  # or a dict of the same keys
    dlrun.evaluate(result.folder.path)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlrun.evaluation.evaluate import evaluate
    from dlrun.experiment.reproduce import reproduce
    from dlrun.experiment.resume import resume
    from dlrun.experiment.train import plan, train
    from dlrun.explanation.explain import explain
    from dlrun.prediction.predict import predict

__all__ = ["evaluate", "explain", "plan", "predict", "reproduce", "resume", "train"]

_MODULES = {
    "evaluate": "evaluation.evaluate",
    "explain": "explanation.explain",
    "predict": "prediction.predict",
    "reproduce": "experiment.reproduce",
    "resume": "experiment.resume",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: `dlrun --help` has no use for pydantic and the registries.
    if name not in __all__:
        raise AttributeError(f"module 'dlrun' has no attribute {name!r}")
    import os
    from importlib import import_module

    # A script or a notebook has no log for what TensorFlow's C++ code writes to file descriptor 2, as a command has.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return getattr(import_module(f"dlrun.{_MODULES.get(name, 'experiment.train')}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
