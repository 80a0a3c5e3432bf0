from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dlrun.errors import UsageError
from dlrun.experiment import resume
from dlrun.experiment.resume import ResumeOptions, check_environment
from dlrun.runs.record import DatasetRecord

BEFORE = {"tensorflow": "2.21.0", "cpu": "A", "cores": "2", "intra-op threads": "0", "XLA_FLAGS": ""}


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> Any:
    data: list[str] = []
    monkeypatch.setattr(resume, "data_changes", lambda *_: data)
    monkeypatch.setattr(DatasetRecord, "of", lambda _dataset: None)

    def check(options: ResumeOptions, *, changed_data: bool = False, **now: str) -> tuple[str, ...]:
        data[:] = ["values differ"] if changed_data else []
        record = SimpleNamespace(id="run-1", dataset=object(), environment=BEFORE)
        folder = SimpleNamespace(read_record=lambda: record, path=Path("run-1"))
        dataset = SimpleNamespace(data_label=lambda _dataset: "data.csv")
        setup = SimpleNamespace(
            environment=lambda: {**BEFORE, **now},
            dataset=None,
            interface=lambda: None,
            spec=SimpleNamespace(dataset=dataset),
        )
        return check_environment(folder, setup, options)  # type: ignore[arg-type]

    return check


def test_on_a_cluster_a_run_may_move_to_another_kind_of_machine_and_the_reason_is_kept(checked: Any) -> None:
    moves = ResumeOptions(allow_other_machine=True)
    assert checked(moves) == ()
    other = {"cpu": "B", "cores": "64", "intra-op threads": "64"}
    assert checked(moves, **other) == (
        "cores was 2, and is 64",
        "cpu was A, and is B",
        "intra-op threads was 0, and is 64",
    )
    with pytest.raises(UsageError, match="cpu was A, and is B"):
        checked(ResumeOptions(), **other)


@pytest.mark.parametrize("change", [{"tensorflow": "2.22.0"}, {"XLA_FLAGS": "--x"}, {"changed_data": True}])
def test_a_move_excuses_no_other_change(checked: Any, change: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"was 2\.21\.0|XLA_FLAGS was|values differ"):
        checked(ResumeOptions(allow_other_machine=True), cpu="B", **change)
    assert len(checked(ResumeOptions(allow_changes=True), cpu="B", **change)) == 2
