"""What a search reads from a run: the best value of the monitored score, the latest of others, and costs."""

from pathlib import Path
from typing import Any

from dlrun.runs.folder import RunFolder
from dlrun.search.measure import measure
from dlrun.search.outcome import Objective

ROW = {"step": 1, "seconds": 1, "examples_per_second": 1, "data_wait": 0, "learning_rate": 0.1, "loss": 1.0}


def run(runs_dir: Path, **changes: Any) -> Path:
    folder = RunFolder.create(runs_dir, name="r")
    for epoch, loss in enumerate((0.5, 0.3, 0.4), start=1):
        folder.append_metrics({**ROW, "epoch": epoch, "val_loss": loss, "val_accuracy": loss / 2})
    best = {"metric": "val_loss", "value": 0.3, "epoch": 2, "step": 2}
    folder.update_record(status="interrupted", seconds=3.0, best=best, **changes)
    return folder.path


def values(path: Path, *names: str) -> tuple[float | None, ...]:
    return measure(path, [Objective(name, larger_is_better=False) for name in names]).values


def test_the_monitored_score_counts_with_its_best_epoch_and_another_with_the_last(tmp_path: Path) -> None:
    path = run(tmp_path)
    assert values(path, "val_loss", "val_accuracy") == (0.3, 0.2)
    found = measure(path, [Objective("val_loss", larger_is_better=False)])
    assert (found.epochs, found.seconds, found.is_complete) == (3, 3.0, False)


def test_a_complete_run_counts_with_the_score_of_its_final_model(tmp_path: Path) -> None:
    path = run(tmp_path, result={"validation": {"loss": 0.9, "accuracy": 0.25}})
    RunFolder(path).update_record(status="completed")
    assert values(path, "val_loss", "val_accuracy") == (0.3, 0.25)


def test_costs_are_those_that_were_measured_and_an_undefined_score_is_none(tmp_path: Path) -> None:
    path = run(tmp_path, model={"type": "mlp", "parameters": 7}, costs={"size_bytes": 28.0})
    assert values(path, "parameters", "size_bytes", "seconds_per_example", "val_auc") == (7, 28.0, None, None)
