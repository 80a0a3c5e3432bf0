"""Run folders as training leaves them, written by hand: a report needs no TensorFlow."""

from pathlib import Path
from typing import Any

import numpy as np

from dlrun.data.array_input import ArrayInput
from dlrun.data.interface import Interface
from dlrun.data.preprocess import ArrayPreprocess
from dlrun.runs.folder import RunFolder
from dlrun.runs.predictions import StoredPredictions, write_predictions
from dlrun.signature import Features, Target

NAUGHTY = "<script>alert(1)</script>"
NOTHING = np.zeros(0, np.float32)


def predictions(**changes: Any) -> StoredPredictions:
    generator = np.random.default_rng(0)
    outputs = generator.dirichlet(np.ones(3), 40).astype(np.float32)
    known: dict[str, Any] = {
        "examples": 40,
        "rows": np.arange(40),
        "outputs": outputs,
        "target": np.arange(40) % 3,
        "naive": NOTHING,
        "shown": np.array([3, 5]),
        "pictures": generator.integers(0, 256, (2, 8, 8, 1), dtype=np.uint8),
        "reconstructions": NOTHING,
        "texts": np.array([NAUGHTY, "b & c"]),
    }
    return StoredPredictions(**{**known, **changes})


def made(
    runs_dir: Path, target: Target, kept: StoredPredictions | None, *, name: str = NAUGHTY, epochs: int = 4
) -> RunFolder:
    folder = RunFolder.create(runs_dir, name=name)
    folder.write_text(folder.spec_yaml, f"name: {name}\nseed: 0\n")
    interface = Interface(name, ArrayInput((4,)), ArrayPreprocess((4,)), Features("vector", (4,)), target)
    folder.write_json(folder.interface_json, interface.plain())
    for epoch in range(1, epochs + 1):
        row = {"epoch": epoch, "step": epoch, "seconds": epoch, "examples_per_second": 9.0, "data_wait": 0.0}
        folder.append_metrics({**row, "learning_rate": 0.1, "loss": 1 / epoch, "val_loss": float("nan")})
    folder.update_record(
        status="completed",
        model={"type": "mlp", "parameters": 7, "layers": [{"name": name, "type": "Dense", "output_shape": [3]}]},
        dataset={"name": name, "fingerprint": "f" * 64, "examples": {"train": 40, "test": 40}},
        result={"test": {"loss": 0.5, "accuracy": None}},
        time={"start": 1.0, "train": 2.0},
    )
    if kept is not None:
        write_predictions(folder, "test", kept)
    return folder


CLASSES = Target("classes", 3, (NAUGHTY, "$x$", "c"))
VALUES = Target("values", 1, encoding="value", names=("price",))
VALUE = np.linspace(0, 1, 40, dtype=np.float32)[:, None]
KINDS = {
    "classes": (CLASSES, predictions()),
    "two classes": (Target("classes", 2), predictions(outputs=np.hstack([1 - VALUE, VALUE]), target=np.arange(40) % 2)),
    "columns of classes": (
        Target.of_columns({NAUGHTY: ("a", "b"), "$x$": ("c", NAUGHTY)}),
        predictions(outputs=np.hstack([1 - VALUE, VALUE, VALUE, 1 - VALUE]), target=np.ones((40, 2), np.int32)),
    ),
    "a table": (
        CLASSES,
        predictions(
            pictures=NOTHING,
            columns=np.array([NAUGHTY, "$x$"]),
            cells=np.array([[NAUGHTY, "7"], ["&", "8"]]),
            importances=np.array([0.5, np.nan]),
            measure=np.array(NAUGHTY),
            importance_intervals=np.array([[0.1, 0.9], [np.nan, np.nan]]),
            measured=np.array([40, 5]),
            dependence=np.array([[[0.1], [0.2], [np.nan]], [[0.1], [0.2], [0.9]]]),
            dependence_points=np.array([[1.0, 2.0, np.nan], [0.5, 0.3, 0.2]]),
            dependence_names=np.array([["", "", ""], [NAUGHTY, "$x$", "c"]]),
            dependence_values=np.array([[1.0, 1.5, 2.0], [np.nan] * 3]),
            dependence_columns=np.array([NAUGHTY, "$x$"]),
            dependence_outputs=np.array([NAUGHTY]),
        ),
    ),
    "labels": (Target("labels", 2), predictions(outputs=np.hstack([VALUE, VALUE]), target=np.ones((40, 2)))),
    "values": (VALUES, predictions(outputs=VALUE, target=VALUE[:, 0] + 1, pictures=NOTHING)),
    "forecast": (VALUES, predictions(outputs=VALUE, target=VALUE[:, 0] + 1, naive=VALUE + 2, pictures=NOTHING)),
    "pictures again": (
        Target("input", 4, encoding="value"),
        predictions(outputs=VALUE[:, 0], target=NOTHING, reconstructions=np.zeros((2, 8, 8, 1), np.uint8)),
    ),
    "vectors again": (
        Target("input", 4, encoding="value"),
        predictions(outputs=VALUE[:, 0], target=NOTHING, pictures=np.ones((2, 4)), reconstructions=np.zeros((2, 4))),
    ),
    "masks": (
        Target("mask", 3, (NAUGHTY, "$x$", "c")),
        predictions(
            outputs=np.tile(np.array([30, 1, 0, 2, 20, 0, 0, 9, 2], np.float32), (40, 1)),
            target=NOTHING,
            masks=np.full((2, 8, 8), 255, np.uint8),
            predicted_masks=np.tile(np.arange(8, dtype=np.uint8) % 3, (2, 8, 1)),
        ),
    ),
    "no predictions": (CLASSES, None),
}
