from pathlib import Path

import pytest

from dlrun.batching.backends.backend import BackendRequest, Placement
from dlrun.batching.backends.choose import check_placement, open_backend
from dlrun.batching.backends.slurm.backend import sbatch_options
from dlrun.errors import RunError, UsageError
from fake_slurm import FakeSlurm


def test_the_options_of_a_run_become_options_of_sbatch() -> None:
    placement = Placement("slurm", gpus_per_run=2, cpus_per_run=8, slurm=("partition=gpu",))
    assert sbatch_options(placement) == (("partition", "gpu"), ("gres", "gpu:2"), ("cpus-per-task", "8"))
    with pytest.raises(UsageError, match=r"--gpus-per-run is 0.5, but Slurm gives whole ones"):
        sbatch_options(Placement("slurm", gpus_per_run=0.5))
    with pytest.raises(UsageError, match="--gpus-per-run and --slurm gres ask for the same"):
        sbatch_options(Placement("slurm", gpus_per_run=1, slurm=("gres=gpu:1",)))


def test_without_the_commands_of_slurm_the_error_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="not found: sbatch, squeue, scancel, scontrol"):
        check_placement(Placement("slurm"), jobs=None)


def test_a_wrong_option_is_refused_before_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="array is set by dlrun"):
        check_placement(Placement("slurm", slurm=("array=1",)), jobs=None)
    with pytest.raises(UsageError, match="--slurm means nothing with --on local"):
        check_placement(Placement(slurm=("mem=1G",)), jobs=None)


def test_a_batch_has_all_its_runs_in_the_queue_and_a_search_a_few(fake_slurm: FakeSlurm, tmp_path: Path) -> None:
    assert fake_slurm.count("sbatch") == 0
    request = BackendRequest(Placement("slurm"), (), jobs=3, folder=tmp_path / "batch")
    with open_backend(request) as backend:
        assert str(backend.slots) == "at most 3 of Slurm's queue"
        for _ in range(100):
            assert backend.slots.is_any_free
    search = BackendRequest(Placement("slurm"), (), jobs=1, folder=tmp_path / "search", is_open=True)
    with open_backend(search) as backend:
        assert str(backend.slots) == "1 in Slurm's queue"


@pytest.mark.parametrize("size", ["0", "1"])
def test_a_controller_without_arrays_or_without_an_answer_is_an_error(
    size: str, fake_slurm: FakeSlurm, tmp_path: Path
) -> None:
    (fake_slurm.folder / "largest").write_text(size)
    request = BackendRequest(Placement("slurm"), (), folder=tmp_path)
    with pytest.raises(RunError, match="has no job arrays"), open_backend(request):
        pass
    fake_slurm.answers(yes=False)
    with pytest.raises(RunError, match="does not say how it is configured: Unable to contact"), open_backend(request):
        pass
