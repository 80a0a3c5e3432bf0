import json
from pathlib import Path
from typing import Any

import pytest

from dlrun.batching.backends.backend import Placement
from dlrun.batching.backends.on_ray import backend
from dlrun.batching.backends.on_ray.backend import check_ray
from dlrun.errors import UsageError
from ray_cluster import RayCluster

SMALL = (
    "dataset: {type: builtin, name: digits, validation: 0.1}\nmodel: linear\nloss: sparse_categorical_crossentropy\n"
    "training: {epochs: 3, jit: off}\n"
)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_runs_on_a_cluster_equal_those_trained_alone(cluster: RayCluster, tmp_path: Path, forked: Any) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    command = ("batch", "small.yaml", "--seeds", "2", "--on", "ray", "--json")
    done = forked.run(*command, folder=tmp_path, **cluster.environment)
    assert done.code == 0, done.err
    assert not done.err
    rows = json.loads(done.out)["runs"]
    assert {row["status"] for row in rows} == {"completed"}
    alone = forked.run("train", "small.yaml", "--set", "seed=1", "--runs-dir", "alone", "--json", folder=tmp_path)
    assert alone.code == 0, alone.err
    assert json.loads(alone.out)["weights_sha256"] in {
        row["weights_sha256"] for row in rows if "1" in row["values"]["seed"]
    }
    assert not [*tmp_path.glob("runs/.batches/.seen-*")]
    # Everything is complete: the cluster is not asked.
    again = forked.run(*command, folder=tmp_path, RAY_ADDRESS="127.0.0.1:1")
    assert again.code == 0, again.err
    assert [(row["run"], row["status"]) for row in json.loads(again.out)["runs"]] == [
        (row["run"], "skipped") for row in rows
    ]


@pytest.mark.parametrize(
    ("placement", "jobs", "text"),
    [
        (Placement("ray", gpus_per_run=2), None, "--gpus-per-run is 2"),
        (Placement("ray", cpus_per_run=0), None, "--cpus-per-run is 0"),
        (Placement("ray", cpus_per_run=2.5), None, "--cpus-per-run is 2.5"),
        (Placement("ray"), 0, "--jobs is 0"),
    ],
)
def test_options_that_ray_does_not_take_are_refused(placement: Placement, jobs: int | None, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        check_ray(placement, jobs=jobs)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "find_spec", lambda _name: None)
    with pytest.raises(UsageError, match="not installed") as error:
        check_ray(Placement("ray"), jobs=None)
    assert error.value.hint == "pip install 'dlrun[ray]'"


def test_ray_still_has_the_switch_that_silences_it() -> None:
    worker = pytest.importorskip("ray._private.worker", reason="needs the extra `ray`")
    assert worker._worker_logs_enabled is True
