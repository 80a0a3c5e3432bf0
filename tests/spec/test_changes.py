"""What may change when a run is resumed."""

from pathlib import Path

from dlrun.component import FieldProblem
from dlrun.spec.changes import refused_changes
from dlrun.spec.parse import read_spec
from wine_spec import write


def test_a_resumed_run_keeps_the_metric_of_its_best_epoch(tmp_path: Path) -> None:
    def refused(before: str, after: str) -> list[FieldProblem]:
        specs = (read_spec(write(tmp_path), (f"training.early_stopping={rule}",)).spec for rule in (before, after))
        return list(refused_changes(*specs))

    (problem,) = refused("null", "{metric: val_accuracy}")
    assert problem.path == ("training", "early_stopping", "metric")
    assert len(refused("{metric: val_accuracy}", "{metric: val_loss}")) == 1
    assert refused("null", "{metric: val_loss, patience_epochs: 9}") == []
    assert refused("{metric: val_accuracy}", "null") == []
