from dataclasses import replace
from pathlib import Path

import pytest

from dlrun.batching.backends.backend import ANY_GPU, Placement, Slot
from dlrun.batching.backends.on_ray.slots import Needs, NodeResources, RaySlots
from dlrun.errors import UsageError
from dlrun.spec.parse import read_spec
from dlrun.spec.types import Spec

LARGE = NodeResources("1", "large", 64, 0)
SMALL = NodeResources("2", "small", 2, 0)
GPUS = NodeResources("3", "gpus", 16, 8)


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    path = tmp_path / "small.yaml"
    path.write_text("dataset: {type: builtin, name: digits}\nmodel: linear\nloss: sparse_categorical_crossentropy\n")
    return read_spec(path).spec


def on(spec: Spec, device: str) -> Spec:
    return replace(spec, training=spec.training.model_copy(update={"device": device}))


def test_a_run_gets_what_suits_the_smallest_node(spec: Spec) -> None:
    ray = Placement("ray")
    assert Needs.choose(ray, [LARGE], [spec]) == Needs(4, 0)
    assert Needs.choose(ray, [LARGE, SMALL], [spec]) == Needs(1, 0)
    assert Needs.choose(ray, [LARGE, GPUS], [spec]) == Needs(2, 1)
    assert Needs.choose(ray, [GPUS], [on(spec, "cpu")]) == Needs(2, 0)
    assert Needs.choose(Placement("ray", 0.5, 3), [GPUS], [spec]) == Needs(3, 0.5)


def test_what_no_node_can_give_is_refused(spec: Spec) -> None:
    with pytest.raises(UsageError, match="no node of the cluster has the 3 CPUs") as error:
        Needs.choose(Placement("ray", cpus_per_run=3), [SMALL], [spec])
    assert "small has 2 CPUs and 0 GPUs" in error.value.expected
    with pytest.raises(UsageError, match="1 CPUs and 1 GPUs"):
        Needs.choose(Placement("ray", gpus_per_run=1), [SMALL], [spec])
    with pytest.raises(UsageError, match="gets no GPU"):
        Needs.choose(Placement("ray"), [SMALL], [on(spec, "gpu")])
    with pytest.raises(UsageError, match="cpu in every run"):
        Needs.choose(Placement("ray", gpus_per_run=1), [GPUS], [on(spec, "cpu")])


def test_the_slots_follow_the_nodes_that_come_and_go(spec: Spec) -> None:
    nodes, now = [SMALL, SMALL], [0.0]
    slots = RaySlots(lambda: nodes, Needs(1, 0), jobs=None, clock=lambda: now[0])
    assert str(slots) == "4 on 2 nodes"
    taken = [slots.take(spec) for _ in range(5)]
    assert taken == [Slot()] * 4 + [None]
    del nodes[1]
    now[0] = 10
    slots.give_back(Slot())
    assert not slots.fits(spec)
    nodes[:] = [LARGE]
    now[0] = 20
    assert slots.fits(spec)


def test_runs_on_gpus_and_on_cpus_share_the_cpus_of_a_node(spec: Spec) -> None:
    slots = RaySlots(lambda: [NodeResources("3", "gpu", 16, 1)], Needs(2, 0.5), jobs=None)
    assert [slots.take(spec) for _ in range(3)] == [Slot(ANY_GPU), Slot(ANY_GPU), None]
    assert [slots.take(on(spec, "cpu")) for _ in range(7)] == [Slot()] * 6 + [None]
    slots.give_back(Slot(ANY_GPU))
    assert slots.take(spec) == Slot(ANY_GPU)


def test_a_number_of_jobs_may_be_more_than_the_nodes_have_room_for(spec: Spec) -> None:
    slots = RaySlots(list, Needs(1, 0), jobs=3)
    assert [slots.take(spec) for _ in range(4)] == [Slot()] * 3 + [None]
