"""Train, evaluate and record Keras models from one YAML file.

Example:
    import dlrun

    result = dlrun.train("configs/digits_cnn.yaml", overrides=["training.epochs=3"])
    print(result.scores["test"]["accuracy"])

    dlrun.evaluate("last", split="validation")  # the run that was started last
    predictions = dlrun.predict("best:val_accuracy", "new_images/", top=3)
    dlrun.write_predictions(predictions, "new_images.csv")
    for run in dlrun.list_runs("model.type=cnn", sort="-val_accuracy", limit=5):
        print(run.id, run.value("val_accuracy"))

Each function is the command of the same name (`evaluate` is `dlrun eval`, `list_runs` is `dlrun runs ls`), takes its
options by keyword, and raises a `DlrunError` where the command prints one. The same options have the same names:

- `overrides`: `key=value` each, as `--set` takes them.
- `checkpoint`: `final`, `last`, `best`, or a checkpoint's name.
- `runs_dir`: The folder of the runs.
- `trust_plugins`: Whether to load the plugins, which are code, of a run that was made elsewhere.
- `listener`: Called with every event of the run, such as `EpochDone`: nothing is printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlrun.batching.ensemble import ensemble
    from dlrun.benchmark.batch_size import SizeFound, find_batch_size
    from dlrun.benchmark.bench import Benchmark, bench
    from dlrun.benchmark.learning_rate import RateFound, find_learning_rate
    from dlrun.errors import (
        CheckpointError,
        DataError,
        DlrunError,
        Interrupted,
        RunError,
        SpecError,
        UsageError,
    )
    from dlrun.evaluation.evaluate import Evaluation, evaluate
    from dlrun.experiment.calibrate import calibrate
    from dlrun.experiment.final import train_final
    from dlrun.experiment.plan import plan
    from dlrun.experiment.reproduce import Reproduction, reproduce
    from dlrun.experiment.resume import resume
    from dlrun.experiment.session import TrainingResult
    from dlrun.experiment.train import train
    from dlrun.explanation.columns import ColumnImportances
    from dlrun.explanation.examples import ExampleExplanation
    from dlrun.explanation.explain import Explanation, explain
    from dlrun.exporting.export import ExportedModel, export
    from dlrun.prediction.output import WrittenPredictions, write_predictions
    from dlrun.prediction.predict import Predictions, predict
    from dlrun.runs.folder import RunFolder
    from dlrun.runs.query.selection import list_runs
    from dlrun.runs.query.summary import RunSummary
    from dlrun.training.plan import TrainingPlan
    from dlrun.training.progress.events import (
        EpochDone,
        Evaluated,
        Event,
        Listener,
        Note,
        RunCreated,
        StepsDone,
        TimeSpent,
        TrainingDone,
        TrainingStarted,
    )

_MODULES = {
    "batching.ensemble": ("ensemble",),
    "benchmark.batch_size": ("SizeFound", "find_batch_size"),
    "benchmark.bench": ("bench", "Benchmark"),
    "benchmark.learning_rate": ("RateFound", "find_learning_rate"),
    "errors": (
        "CheckpointError",
        "DataError",
        "DlrunError",
        "Interrupted",
        "RunError",
        "SpecError",
        "UsageError",
    ),
    "evaluation.evaluate": ("evaluate", "Evaluation"),
    "experiment.calibrate": ("calibrate",),
    "experiment.final": ("train_final",),
    "experiment.plan": ("plan",),
    "experiment.reproduce": ("reproduce", "Reproduction"),
    "experiment.resume": ("resume",),
    "experiment.session": ("TrainingResult",),
    "experiment.train": ("train",),
    "explanation.columns": ("ColumnImportances",),
    "explanation.examples": ("ExampleExplanation",),
    "explanation.explain": ("Explanation", "explain"),
    "exporting.export": ("ExportedModel", "export"),
    "prediction.output": ("WrittenPredictions", "write_predictions"),
    "prediction.predict": ("Predictions", "predict"),
    "runs.folder": ("RunFolder",),
    "runs.query.selection": ("list_runs",),
    "runs.query.summary": ("RunSummary",),
    "training.plan": ("TrainingPlan",),
    "training.progress.events": (
        "EpochDone",
        "Evaluated",
        "Event",
        "Listener",
        "Note",
        "RunCreated",
        "StepsDone",
        "TimeSpent",
        "TrainingDone",
        "TrainingStarted",
    ),
}
"""Which module has which name; a test holds it against the imports above, which only type checkers see."""
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Benchmark",
    "CheckpointError",
    "ColumnImportances",
    "DataError",
    "DlrunError",
    "EpochDone",
    "Evaluated",
    "Evaluation",
    "Event",
    "ExampleExplanation",
    "Explanation",
    "ExportedModel",
    "Interrupted",
    "Listener",
    "Note",
    "Predictions",
    "RateFound",
    "Reproduction",
    "RunCreated",
    "RunError",
    "RunFolder",
    "RunSummary",
    "SizeFound",
    "SpecError",
    "StepsDone",
    "TimeSpent",
    "TrainingDone",
    "TrainingPlan",
    "TrainingResult",
    "TrainingStarted",
    "UsageError",
    "WrittenPredictions",
    "bench",
    "calibrate",
    "ensemble",
    "evaluate",
    "explain",
    "export",
    "find_batch_size",
    "find_learning_rate",
    "list_runs",
    "plan",
    "predict",
    "reproduce",
    "resume",
    "train",
    "train_final",
    "write_predictions",
]


if not TYPE_CHECKING:  # or a type checker would take every misspelt name for one that is there

    def __getattr__(name: str) -> Any:
        # Imported when asked for: `dlrun --help` does not need pydantic and the registries.
        if name not in _HOMES:
            raise AttributeError(f"module 'dlrun' has no attribute {name!r}")
        import os
        import sys
        from importlib import import_module

        if "dlrun.cli" not in sys.modules:
            # A command keeps what TensorFlow's C++ code writes to file descriptor 2 in the log of its run; a script or
            # a notebook has no such log.
            os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        return getattr(import_module(f"dlrun.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
