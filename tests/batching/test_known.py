import datetime as dt
import time
from pathlib import Path
from typing import Any

import pytest

from dlrun.batching.known import complete, like, runs_of, same_files, unfinished
from dlrun.experiment.record import write_spec
from dlrun.runs.folder import RunFolder
from dlrun.runs.record import IdentityRecord

HERE, ELSEWHERE = "d" * 64, "e" * 64
WANTED = IdentityRecord(spec="a" * 64, code="b" * 64, data=HERE)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def make(runs: Path, *, identity: IdentityRecord | None = WANTED, hours_ago: float = 0, **keys: Any) -> RunFolder:
    folder = RunFolder.create(runs, name="small")
    write_spec(folder, {"name": "small"})
    started = (dt.datetime.now(tz=dt.UTC) - dt.timedelta(hours=hours_ago)).isoformat()
    complete_keys = {"status": "completed", "weights_sha256": "0" * 64, "started": started}
    folder.update_record(identity=identity.model_dump() if identity else None, **{**complete_keys, **keys})
    return folder


def found(runs: Path, since: float = 0.0) -> list[str]:
    return [known.folder.id for known in complete(runs_of([WANTED], runs_dir=runs, since=since))]


def test_complete_runs_with_the_same_spec_and_code_are_found_newest_first(runs: Path) -> None:
    old, new = make(runs, hours_ago=2), make(runs, hours_ago=1)
    for key in ("spec", "code"):
        make(runs, identity=WANTED.model_copy(update={key: "c" * 64}))
    make(runs, identity=None)
    assert found(runs) == [new.id, old.id]
    assert found(runs, since=time.time() - 1.5 * 3600) == [new.id]
    assert found(runs.parent / "none") == []


def test_an_incomplete_or_inexact_run_is_not_a_result(runs: Path) -> None:
    for status in ("created", "running", "interrupted", "failed"):
        make(runs, status=status)
    moved = make(runs, exact=False)
    make(runs, weights_sha256=None)
    assert found(runs) == []
    # On a cluster, a run may have gone on on another kind of machine.
    known = complete(runs_of([WANTED], runs_dir=runs), moved=True)
    assert [each.folder.id for each in known] == [moved.id]


def test_a_damaged_run_is_not_found(runs: Path) -> None:
    folder = make(runs)
    folder.run_json.write_text(folder.run_json.read_text()[:-40])
    assert found(runs) == []


def test_runs_of_several_identities_are_distinguished(runs: Path) -> None:
    other = WANTED.model_copy(update={"spec": "f" * 64})
    mine, theirs = make(runs), make(runs, identity=other)
    both = runs_of([WANTED, other], runs_dir=runs)
    assert [known.folder.id for known in like(both, WANTED)] == [mine.id]
    assert [known.folder.id for known in like(both, other)] == [theirs.id]


def test_a_complete_run_with_the_same_files_is_found_without_reading_the_data(runs: Path) -> None:
    make(runs, identity=WANTED.model_copy(update={"data": ELSEWHERE}))
    known = complete(runs_of([WANTED], runs_dir=runs))
    assert same_files(known, WANTED) is None
    same = make(runs)
    chosen = same_files(complete(runs_of([WANTED], runs_dir=runs)), WANTED)
    assert chosen is not None
    assert chosen.folder.id == same.id


def test_the_newest_run_that_ended_early_is_resumed(runs: Path) -> None:
    make(runs, status="interrupted", weights_sha256=None, hours_ago=3)
    newest = make(runs, status="failed", weights_sha256=None, hours_ago=1)
    make(runs, status="interrupted", identity=WANTED.model_copy(update={"data": ELSEWHERE}))
    make(runs)  # complete
    chosen = unfinished(runs_of([WANTED], runs_dir=runs), WANTED)
    assert chosen is not None
    assert chosen.folder.id == newest.id


def test_a_run_in_use_without_a_spec_or_from_elsewhere_is_not_resumed(runs: Path) -> None:
    held, bare, foreign = (make(runs, status="running", weights_sha256=None) for _ in range(3))
    bare.spec_yaml.unlink()
    foreign.spec_yaml.write_text("name: other\n")
    with held.lock():
        assert unfinished(runs_of([WANTED], runs_dir=runs), WANTED) is None
    chosen = unfinished(runs_of([WANTED], runs_dir=runs), WANTED)
    assert chosen is not None
    assert chosen.folder.id == held.id


def test_a_run_whose_parent_was_trained_since_is_not_found(runs: Path) -> None:
    parent = make(runs, identity=None, weights_sha256="1" * 64)
    part = {"source": "run", "place": parent.id, "sha256": "1" * 64, "checkpoint": "final"}
    child = make(runs, initialization=[part])
    assert found(runs) == [child.id]
    parent.update_record(weights_sha256="2" * 64)
    assert found(runs) == []
    parent.path.rename(parent.path.with_name("elsewhere"))
    assert found(runs) == [child.id]
