from dataclasses import replace
from pathlib import Path

import pytest

from dlrun.batching.backends import slots
from dlrun.batching.backends.slots import default_jobs, make_slots
from dlrun.errors import UsageError
from dlrun.spec.parse import read_spec
from dlrun.spec.types import Spec


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    path = tmp_path / "small.yaml"
    path.write_text("dataset: {type: builtin, name: digits}\nmodel: linear\nloss: sparse_categorical_crossentropy\n")
    return read_spec(path).spec


def on(spec: Spec, device: str) -> Spec:
    return replace(spec, training=spec.training.model_copy(update={"device": device}))


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(slots, "visible_gpus", lambda: found)
    return found


def test_each_gpu_is_a_slot_that_can_be_returned(spec: Spec, gpus: list[str]) -> None:
    gpus += ["0", "3"]
    places = make_slots([spec], jobs=None)
    assert str(places) == "2 on GPUs"
    taken = [places.take(spec), places.take(on(spec, "gpu"))]
    assert [slot.gpu for slot in taken if slot] == ["0", "3"]
    assert places.take(spec) is None
    assert taken[1] is not None
    places.give_back(taken[1])
    assert places.take(spec) == taken[1]


def test_more_jobs_than_gpus_share_them_in_turn(spec: Spec, gpus: list[str]) -> None:
    gpus += ["0", "3"]
    places = make_slots([spec], jobs=3)
    assert [slot.gpu for slot in (places.take(spec) for _ in range(3)) if slot] == ["0", "3", "0"]


def test_a_run_on_the_cpu_takes_no_gpu_slot(spec: Spec, gpus: list[str]) -> None:
    gpus += ["0"]
    places = make_slots([spec, on(spec, "cpu")], jobs=1)
    slot = places.take(on(spec, "cpu"))
    assert slot is not None
    assert slot.gpu is None
    assert places.take(on(spec, "cpu:0,1")) is None
    assert places.take(spec) is not None


def test_without_gpus_runs_share_the_cpu(spec: Spec, gpus: list[str]) -> None:
    assert not gpus
    places = make_slots([spec], jobs=2)
    assert [place is not None for place in (places.take(spec), places.take(spec), places.take(spec))] == [
        True,
        True,
        False,
    ]
    assert [default_jobs(cores) for cores in (1, 2, 4, 8, 12, 64)] == [1, 2, 2, 2, 3, 16]


@pytest.mark.parametrize("jobs", [0, -1, 257])
def test_a_number_of_jobs_out_of_range_is_refused(spec: Spec, jobs: int) -> None:
    with pytest.raises(UsageError, match="--jobs"):
        make_slots([spec], jobs=jobs)
