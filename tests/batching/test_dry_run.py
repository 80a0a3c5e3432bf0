"""Scripts and manifests of a batch, without anything that is submitted or trained."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dlrun.batching.backends.backend import Placement
from dlrun.batching.batch import BatchOptions
from dlrun.batching.dry_run import job_manifest, write_scripts
from dlrun.batching.grid import combine
from dlrun.errors import UsageError

SPEC = "dataset: {type: builtin, name: digits}\nmodel: linear\nloss: sparse_categorical_crossentropy\n"


@pytest.fixture
def batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., BatchOptions]:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SPEC)

    def options(on: str, *, seeds: str = "3", **content: Any) -> BatchOptions:
        slurm = content.pop("slurm", ())
        return BatchOptions(
            combine([Path("small.yaml")], [], [], seeds), placement=Placement(on, slurm=slurm), **content
        )

    return options


def test_a_dry_run_writes_the_scripts_even_without_slurm_and_twice_the_same(
    batch: Callable[..., BatchOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin-without-slurm:/bin-without-slurm")
    wanted = batch("slurm", jobs=2, slurm=("partition=gpu",))
    written = write_scripts(wanted)
    assert "usual limit" in written.note
    (path,) = written.paths
    assert path.parent.parent.parent.name == ".batches"
    text = path.read_text()
    assert '#SBATCH --array="0-2%2"' in text
    assert '#SBATCH --partition="gpu"' in text
    assert "# task 1: small.yaml seed=1" in text
    subprocess.run(["/bin/bash", "-n", str(path)], check=True)
    assert write_scripts(wanted).paths == written.paths
    assert path.read_text() == text


def test_a_dry_run_of_another_engine_is_refused(batch: Callable[..., BatchOptions]) -> None:
    with pytest.raises(UsageError, match="--dry-run means nothing with --on local"):
        write_scripts(batch("local"))
    with pytest.raises(UsageError, match="array is set by dlrun"):
        write_scripts(batch("slurm", slurm=("array=1",)))


def test_a_manifest_has_one_index_for_each_run_and_leaves_no_files(batch: Callable[..., BatchOptions]) -> None:
    text = job_manifest(batch("job-yaml", retries=1))
    assert yaml.safe_load(text)["spec"]["completions"] == 3
    assert "2) set -- small.yaml --set seed=2 ;;" in text
    assert not Path("runs").exists()
    with pytest.raises(UsageError, match="--slurm means nothing"):
        job_manifest(batch("job-yaml", slurm=("mem=1G",)))
