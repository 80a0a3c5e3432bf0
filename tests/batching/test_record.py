import json
from pathlib import Path

import pytest

from dlrun.batching import record
from dlrun.batching.grid import Combination
from dlrun.batching.plan import plan_batch
from dlrun.batching.record import BatchFile
from dlrun.batching.state import RunState, Stage


def test_updates_pause_in_proportion_to_what_they_cost_and_the_last_state_is_always_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small.yaml").write_text(
        "dataset: {type: builtin, name: digits}\nmodel: linear\nloss: sparse_categorical_crossentropy\n"
    )
    (planned,) = plan_batch([Combination(tmp_path / "small.yaml", (), ())])
    moments = [100.0, 101.0, 101.0 + record._PAUSES - 0.1, 101.0 + record._PAUSES + 0.1, 123.0]  # a second each
    monkeypatch.setattr(record.time, "monotonic", lambda: moments.pop(0))  # type: ignore[attr-defined]
    file = BatchFile(tmp_path, [planned], command=("dlrun",), again=False)

    def written(stage: Stage) -> str:
        file.update({1: RunState(planned, stage)})
        return str(json.loads(file.path.read_text())["runs"][0]["stage"])

    assert [written(stage) for stage in ("running", "failed", "completed")] == ["running", "running", "completed"]
    file.write({1: RunState(planned, "interrupted")}, finished=True)
    assert json.loads(file.path.read_text())["runs"][0]["stage"] == "interrupted"
