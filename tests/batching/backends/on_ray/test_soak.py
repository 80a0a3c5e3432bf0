"""What happens on two nodes of one machine when one of them, or the driver, is lost; what is wrong with a node."""

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ray_cluster import RayCluster

pytestmark = pytest.mark.soak

CONFIG = """
dataset: {type: builtin, name: digits, validation: 0.1}
model: {type: mlp, units: [64], dropout: 0.2}
optimizer: {type: adam, learning_rate: 0.001}
loss: sparse_categorical_crossentropy
training: {epochs: 300, jit: off, checkpoint_minutes: 0.05}
"""
SPACE = """
search:
  space: {optimizer.learning_rate: {low: 0.0001, high: 0.1, log: true}, model.dropout: {low: 0.0, high: 0.5}}
  trials: 30
  sampler: random
  halving: {min_epochs: 10, factor: 3}
"""
SICK = """
import builtins, datetime, errno, io, json, os, tempfile, time
path, open_really, open_low = os.environ["SICK_NODE"], io.open, os.open
def sick(key):
    try:
        return json.load(open_really(path, opener=open_low)).get(key)
    except (OSError, ValueError):
        return None
clock, real = time.time, datetime.datetime
time.time = lambda: clock() + (sick("clock") or 0)
class Late(real):
    @classmethod
    def now(cls, tz=None):
        return real.now(tz) + datetime.timedelta(seconds=sick("clock") or 0)
if sick("clock"):
    datetime.datetime = Late
opened = tempfile.TemporaryFile
def full(*arguments, **options):
    if sick("full"):
        raise OSError(errno.ENOSPC, "No space left on device")
    return opened(*arguments, **options)
tempfile.TemporaryFile = full
def without_project(open_file):
    def look(file, *arguments, **options):
        hidden = sick("hidden")
        if hidden and isinstance(file, (str, bytes, os.PathLike)):
            if os.path.abspath(os.fsdecode(file)) in hidden:
                raise FileNotFoundError(errno.ENOENT, "No such file or directory", file)
        return open_file(file, *arguments, **options)
    return look
builtins.open = io.open = without_project(io.open)
os.open = without_project(os.open)
"""
PLUGIN = """
import keras
from dlrun.models import Model, head, models


@models.register("travelled")
class Travelled(Model):
    '''A linear model from a file of the project.'''

    def build(self, features, target):
        inputs = keras.Input(features.shape, name="features")
        return keras.Model(inputs, head(keras.layers.Flatten(name="flat")(inputs), target), name="travelled")
"""


@pytest.fixture(autouse=True)
def _patient(forked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch takes minutes, and Ray half a minute to notice that a node does not answer."""
    monkeypatch.setattr(sys.modules[type(forked).__module__], "_PATIENCE_SECONDS", 900)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(CONFIG)
    (tmp_path / "searched.yaml").write_text(CONFIG + SPACE)
    return tmp_path


@pytest.fixture
def cluster() -> Iterator[RayCluster]:
    pytest.importorskip("ray", reason="needs the extra `ray`")
    started = RayCluster()
    yield started
    started.close()


def records(runs: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in runs.glob("*/run.json")]


def complete(runs: Path, count: int) -> Callable[[], bool]:
    return lambda: sum(record["status"] == "completed" for record in records(runs)) >= count


def on_rungs(runs: Path, count: int) -> Callable[[], bool]:
    """Return whether trials of a search have reached so many rungs; none is complete before the end."""
    ledger = runs / "searches" / "searched" / "ledger.jsonl"
    return lambda: ledger.exists() and ledger.read_text().count('"event": "rung"') >= count


def training(runs: Path) -> list[dict[str, Any]]:
    """Return the runs that have trained an epoch and go on."""
    return [
        record
        for record in records(runs)
        if record["status"] == "running" and (runs / record["id"] / "metrics.jsonl").exists()
    ]


def reach(driver: Any, state: Callable[[], bool]) -> None:
    """Wait until something is so; fail if the driver ends before."""
    driver.wait_until(lambda: state() or driver.output.with_suffix(".code").exists())
    assert state(), driver.err


def disturbed(
    cluster: RayCluster,
    start: Callable[[], Any],
    runs: Path,
    *,
    most: int,
    seed: int,
    have: Callable[[Path, int], Callable[[], bool]] = complete,
) -> Any:
    """Lose the second node twice and the driver once, each when some more runs are complete; return the last driver."""
    chance, driver = random.Random(seed), start()
    moments = sorted(chance.choices(range(1, most), k=3))
    events = ["node", "node", "driver"]
    chance.shuffle(events)
    for moment, event in zip(moments, events, strict=True):
        reach(driver, have(runs, moment))
        reach(driver, lambda: len(training(runs)) == 2)  # so that a run has to go on elsewhere
        time.sleep(chance.uniform(0, 1))
        if event == "node":
            cluster.ask("kill")
            cluster.ask("add")
        else:
            driver.signal(9)
            driver.wait()
            driver = start()
    return driver.wait()


@pytest.mark.parametrize("seed", [0, 1])
def test_a_batch_loses_nodes_and_its_driver_and_no_run(
    cluster: RayCluster, project: Path, forked: Any, seed: int
) -> None:
    def start() -> Any:
        return forked.start(
            "batch", "small.yaml", "--seeds", "12", "--on", "ray", "--json", folder=project, **cluster.environment
        )

    done = disturbed(cluster, start, project / "runs", most=9, seed=seed)
    assert done.code == 0, done.err
    found = records(project / "runs")
    assert len(found) == 12
    assert {record["status"] for record in found} == {"completed"}
    assert all(record["exact"] for record in found)
    assert any(record["resumed"] for record in found)
    alone = forked.run("batch", "small.yaml", "--seeds", "12", "--runs-dir", "alone", "--json", folder=project)
    assert alone.code == 0, alone.err
    assert {record["weights_sha256"] for record in found} == {
        record["weights_sha256"] for record in records(project / "alone")
    }


def test_a_search_loses_nodes_and_its_driver_and_no_trial(cluster: RayCluster, project: Path, forked: Any) -> None:
    def start() -> Any:
        return forked.start("search", "searched.yaml", "--on", "ray", "--json", folder=project, **cluster.environment)

    done = disturbed(cluster, start, project / "runs", most=40, seed=2, have=on_rungs)
    assert done.code == 0, done.err
    outcome = json.loads(done.out)
    assert len(outcome["trials"]) == 30
    assert {trial["status"] for trial in outcome["trials"]} <= {"completed", "paused"}
    found = {record["id"]: record for record in records(project / "runs")}
    assert len(found) == 30
    ledger = (project / "runs" / "searches" / "searched" / "ledger.jsonl").read_text().splitlines()
    overrides = {entry["trial"]: entry["set"] for entry in map(json.loads, ledger) if entry["event"] == "proposed"}
    for trial in outcome["trials"]:
        record = found[trial["runs"][0]]
        assert record["exact"]
        if trial["status"] == "completed":
            options = [part for text in (*overrides[trial["trial"]], "search=null") for part in ("--set", text)]
            alone = forked.run("train", "searched.yaml", *options, "--runs-dir", "alone", "--json", folder=project)
            assert alone.code == 0, alone.err
            assert json.loads(alone.out)["weights_sha256"] == record["weights_sha256"]


def test_a_network_that_goes_away_for_a_minute_moves_the_runs(cluster: RayCluster, project: Path, forked: Any) -> None:
    driver = forked.start(
        "batch", "small.yaml", "--seeds", "4", "--on", "ray", "--json", folder=project, **cluster.environment
    )
    reach(driver, complete(project / "runs", 1))
    cluster.ask("stop")
    time.sleep(60)
    cluster.ask("cont")
    done = driver.wait()
    assert done.code == 0, done.err
    assert not done.err
    found = records(project / "runs")
    assert [record["status"] for record in found] == ["completed"] * 4
    assert all(record["exact"] for record in found)


def sick_node(cluster: RayCluster, project: Path, **state: Any) -> Path:
    """Replace the second node by one with a wrong clock, or without space."""
    (project / "site").mkdir()
    (project / "site" / "sitecustomize.py").write_text(SICK)
    path = project / "sick.json"
    path.write_text(json.dumps(state))
    cluster.ask("kill")
    cluster.ask("add", env={"PYTHONPATH": str(project / "site"), "SICK_NODE": str(path)})
    return path


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_clock_that_is_off_by_an_hour_is_named_and_changes_no_result(
    cluster: RayCluster, project: Path, forked: Any, seconds: int
) -> None:
    sick_node(cluster, project, clock=seconds)
    command = ("batch", "small.yaml", "--seeds", "4", "--set", "training.epochs=5", "--on", "ray", "--json")
    done = forked.run(*command, folder=project, **cluster.environment)
    assert done.code == 0, done.err
    assert "the clock of" in done.err
    assert len(records(project / "runs")) == 4
    again = forked.run(*command, "--again", folder=project, **cluster.environment)
    assert again.code == 1
    assert "--again tells new runs from old ones by the time" in again.err
    assert forked.run(*command, folder=project, **cluster.environment).code == 0
    assert len(records(project / "runs")) == 4


def test_a_node_without_space_is_named_or_avoided(cluster: RayCluster, project: Path, forked: Any) -> None:
    state = sick_node(cluster, project, full=True)
    command = ("batch", "small.yaml", "--seeds", "6", "--set", "training.epochs=5", "--on", "ray", "--json")
    refused = forked.run(*command, folder=project, **cluster.environment)
    assert refused.code == 1
    assert "there is no room for temporary files on" in refused.err
    state.write_text("{}")
    driver = forked.start(*command, folder=project, **cluster.environment)
    driver.wait_until(lambda: [*project.glob("runs/.batches/.seen-*")])
    driver.wait_until(lambda: records(project / "runs"))
    state.write_text(json.dumps({"full": True}))
    done = driver.wait()
    assert done.code == 0, done.err
    assert [record["status"] for record in records(project / "runs")] == ["completed"] * 6


def test_config_and_plugin_travel_to_a_node_that_does_not_see_the_project(
    cluster: RayCluster, project: Path, forked: Any
) -> None:
    (project / "own.py").write_text(PLUGIN)
    text = "plugins: [own.py]" + CONFIG.replace("{type: mlp, units: [64], dropout: 0.2}", "travelled")
    (project / "own.yaml").write_text(text.replace("epochs: 300", "epochs: 20"))
    hidden = [str(project / name) for name in ("own.py", "own.yaml")]
    state = sick_node(cluster, project, hidden=hidden)
    command = ("batch", "own.yaml", "--seeds", "6", "--on", "ray", "--json")
    done = forked.run(*command, folder=project, **cluster.environment)
    assert done.code == 0, done.err
    found = records(project / "runs")
    assert [record["status"] for record in found] == ["completed"] * 6
    alone = forked.run("batch", "own.yaml", "--seeds", "6", "--runs-dir", "alone", "--json", folder=project)
    assert alone.code == 0, alone.err
    assert {record["weights_sha256"] for record in found} == {
        record["weights_sha256"] for record in records(project / "alone")
    }
    # From another folder nothing can be brought along: the node is named before a run begins.
    refused = forked.run(
        "batch", str(project / "own.yaml"), "--seeds", "2", "--on", "ray", "--runs-dir", str(project / "other"),
        folder=project / "site", **cluster.environment,
    )  # fmt: skip
    assert refused.code == 1
    assert "is not on" in refused.err
    assert "start the command in the folder of the project" in refused.err
    assert state.exists()
