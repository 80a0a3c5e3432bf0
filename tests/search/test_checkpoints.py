"""Which runs belong to a search, so that it may drop their checkpoints."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from dlrun.runs.folder import RunFolder
from dlrun.search.checkpoints import CheckpointKeeper, is_own_run
from dlrun.search.trials import Trials

HEAD = {
    "event": "search", "name": "s", "started": "", "sampler": "tpe", "space": [], "factor": 3, "rungs": None,
    "epochs": 3, "seeds": 1, "objectives": [{"name": "val_loss", "larger_is_better": False}],
}  # fmt: skip


def run(runs_dir: Path, **changes: Any) -> RunFolder:
    folder = RunFolder.create(runs_dir, name="r")
    folder.update_record(**{"status": "completed", "search": {"name": "s", "trial": 1}, **changes})
    step = folder.checkpoints / "step-000000003"
    step.mkdir(parents=True)
    (step / "state.json").write_text("{}")
    return folder


def test_a_run_belongs_to_the_search_that_trained_it_until_somebody_tags_it(tmp_path: Path) -> None:
    assert is_own_run(run(tmp_path), "s")
    assert not is_own_run(run(tmp_path), "other")
    assert not is_own_run(run(tmp_path, search=None), "s")
    assert not is_own_run(run(tmp_path, tags=("paper",)), "s")


def test_only_the_best_trials_and_those_in_reach_keep_their_checkpoints(tmp_path: Path) -> None:
    folders = [run(tmp_path) for _ in range(4)]
    entries: list[dict[str, Any]] = [HEAD]
    for number, folder in enumerate(folders, start=1):
        entries.append({"event": "proposed", "trial": number, "point": {}, "values": []})
        end = {"how": "completed", "results": [[float(number)]], "runs": [folder.id], "trained": 3, "spent": 1.0}
        entries.append({"event": "ended", "trial": number, **end})
    plan = cast("Any", SimpleNamespace(name="s", runs_dir=tmp_path, objectives=[None]))
    CheckpointKeeper(plan, None).drop_losers(Trials(entries), {4})
    assert all((folder.checkpoints / "step-000000003").exists() for folder in folders)
    CheckpointKeeper(plan, 2).drop_losers(Trials(entries), ())
    assert [(folder.checkpoints / "step-000000003").exists() for folder in folders] == [True, True, False, False]
    assert folders[3].read_record().checkpoints_removed is not None
