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
