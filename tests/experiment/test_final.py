"""A run that is trained again on all rows."""

import json
from pathlib import Path

import pytest

import dlrun
from dlrun.errors import UsageError

ROWS = [f"{index % 7},{index % 5},{(index % 7) * 0.5 - (index % 5)}" for index in range(60)]


def spec(path: Path, **dataset: object) -> dict[str, object]:
    return {
        "name": "small",
        "dataset": {"type": "table", "path": str(path), "target": "y", **dataset},
        "model": {"type": "mlp", "units": [4]},
        "optimizer": "adam",
        "loss": "mean_squared_error",
        "training": {
            "batch_size": 16, "epochs": 4, "jit": "off", "report": False, "tensorboard": False,
            "early_stopping": {"patience_epochs": 2},
        },
    }  # fmt: skip


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,b,y", *ROWS]) + "\n")
    return path


@pytest.mark.tensorflow
@pytest.mark.slow
def test_the_final_run_has_all_rows_and_is_as_long_as_the_best_epoch(table: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    first = dlrun.train(spec(table, validation=0.2, test=0.1), runs_dir=runs)
    notes: list[str] = []
    final = dlrun.train_final(
        first.folder.path, runs_dir=runs, listener=lambda event: notes.append(str(getattr(event, "text", "")))
    )
    record = json.loads(final.folder.run_json.read_text())
    assert record["dataset"]["examples"] == {"train": 60}
    best = json.loads(first.folder.run_json.read_text())["best"]["epoch"]
    assert len(final.folder.read_metrics()) == best
    assert any(f"all rows for {best} epochs, the best epoch of {first.folder.id}" in note for note in notes)
    with pytest.raises(UsageError, match="holds out no examples"):
        dlrun.train_final(final.folder.path, runs_dir=runs)


@pytest.mark.tensorflow
@pytest.mark.slow
def test_rows_in_files_of_their_own_are_not_joined(table: Path, tmp_path: Path) -> None:
    first = dlrun.train(spec(table, validation_path=str(table)), runs_dir=tmp_path / "runs")
    with pytest.raises(UsageError, match=r"places of their own, which dataset\.validation_path names"):
        dlrun.train_final(first.folder.path, runs_dir=tmp_path / "runs")
