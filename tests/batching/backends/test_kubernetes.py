import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dlrun.batching.backends.kubernetes import IndexedJob
from dlrun.errors import UsageError

RUNS = (("a seed=0", ("configs/a.yaml", "--set", "seed=0")), ("it's", ("it's.yaml", "--set", "name=$HOME `x`")))


def job(**content: Any) -> dict[str, Any]:
    found = yaml.safe_load(IndexedJob(RUNS, Path("runs"), **content).manifest())
    assert isinstance(found, dict)
    return found


def test_the_manifest_is_an_indexed_job_whose_pods_come_back_after_a_preemption() -> None:
    found = job(at_once=1, retries=2, gpus=1, cpus=4)
    assert (found["apiVersion"], found["kind"]) == ("batch/v1", "Job")
    spec = found["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 2, 1)
    assert spec["backoffLimitPerIndex"] == 2
    # What Kubernetes requires of a Job with a policy for failures.
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert spec["podFailurePolicy"]["rules"][0] == {
        "action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget"}],
    }
    (container,) = pod["containers"]
    assert spec["podFailurePolicy"]["rules"][1]["onExitCodes"]["containerName"] == container["name"]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "1", "cpu": "4"}
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"]: container["workingDir"] for volume in pod["volumes"]}
    assert pod["terminationGracePeriodSeconds"] > 30
    assert "resources" not in job()["spec"]["template"]["spec"]["containers"][0]


def test_each_pod_trains_the_run_of_its_index(tmp_path: Path) -> None:
    (tmp_path / "dlrun").write_text('#!/bin/sh\nfor each; do echo "$each"; done\n')
    (tmp_path / "dlrun").chmod(0o755)
    command = job(options=("--again",))["spec"]["template"]["spec"]["containers"][0]["command"]
    for index, (_, arguments) in enumerate(RUNS):
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "JOB_COMPLETION_INDEX": str(index)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        options = ["--runs-dir", "runs", "--jobs", "1", "--quiet", "--again"]
        assert done.stdout.splitlines() == ["batch", *arguments, *options]


def test_what_no_pod_could_train_is_refused() -> None:
    with pytest.raises(UsageError, match="/home/runs leads out of the folder to work in"):
        IndexedJob(RUNS, Path("/home/runs")).manifest()
    with pytest.raises(UsageError, match=r"\.\./a.yaml leads out"):
        IndexedJob((("a", ("../a.yaml",)),), Path("runs")).manifest()
    with pytest.raises(UsageError, match="too many for one Job"):
        IndexedJob(RUNS * 3000, Path("runs")).manifest()
    with pytest.raises(UsageError, match="whole GPUs"):
        IndexedJob(RUNS, Path("runs"), gpus=0.5).manifest()
