"""Values that are `auto` in a config: what stands for them, what they become, and that nothing else changes."""

import json
from pathlib import Path
from typing import Any

import pytest

import dlrun.benchmark.at_start as starting
from dlrun.benchmark.at_start import measured
from dlrun.benchmark.batch_size import SizeFound
from dlrun.benchmark.learning_rate import RateFound
from dlrun.benchmark.valley import RateSuggestion
from dlrun.errors import SpecError, UsageError
from dlrun.spec.identity import identify
from dlrun.spec.parse import read_spec
from dlrun.training.devices.cluster import ALONE, Cluster
from dlrun.training.progress.events import Event, silent

TEXT = """\
name: x
dataset: {type: builtin, name: digits}
model: {type: mlp, units: [8]}
optimizer: {type: adam, learning_rate: auto}
loss: sparse_categorical_crossentropy
training: {batch_size: auto, epochs: 1}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "x.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what is asked of the measurements, which this stands for."""
    asked: dict[str, Any] = {}

    def size(config: Any, **_: Any) -> SizeFound:
        asked["size"] = config
        return SizeFound(32, 128, 0.002, "fast", "scaled", ())

    def rate(config: Any, **_: Any) -> RateFound:
        asked["rate"] = config
        return RateFound(0.001, RateSuggestion(asked.get("answer"), "why"), ())

    monkeypatch.setattr(starting, "find_batch_size", size)
    monkeypatch.setattr(starting, "find_learning_rate", rate)
    return asked


def test_defaults_stand_for_what_is_not_measured_yet(config: Path) -> None:
    spec = read_spec(config).spec
    assert spec.measured == (("training", "batch_size"), ("optimizer", "learning_rate"))
    assert (spec.training.batch_size, spec.optimizer.learning_rate) == (32, 0.001)


def test_the_rate_is_found_with_the_batch_size_that_was_found(config: Path, found: dict[str, Any]) -> None:
    found["answer"] = 0.03
    said: list[Event] = []
    file = measured(read_spec(config), said.append, cluster=ALONE)
    assert (file.spec.training.batch_size, file.spec.optimizer.learning_rate) == (128, 0.03)
    assert found["rate"]["training"]["batch_size"] == 128
    assert {key: choice.value for key, choice in file.choices.items()} == {
        "training.batch_size": "128",
        "optimizer.learning_rate": "0.03",
    }
    assert len(said) == 2


def test_without_a_clear_valley_the_default_is_taken_and_said_so(config: Path) -> None:
    file = measured(read_spec(config), silent, cluster=ALONE)
    assert file.spec.optimizer.learning_rate == 0.001
    assert file.choices["optimizer.learning_rate"].reason == "the default: why"


def test_a_given_rate_is_scaled_to_the_batch_size(config: Path) -> None:
    file = measured(read_spec(config, ("optimizer.learning_rate=0.001",)), silent, cluster=ALONE)
    assert (file.spec.training.batch_size, file.spec.optimizer.learning_rate) == (128, 0.002)


def test_the_identity_is_that_of_what_was_asked_for(config: Path, found: dict[str, Any]) -> None:
    asked = read_spec(config)
    found["answer"] = 0.03
    assert identify(measured(asked, silent, cluster=ALONE)) == identify(asked)
    assert identify(read_spec(config, ("training.batch_size=32",))) != identify(asked)


def test_without_auto_nothing_is_measured(config: Path, found: dict[str, Any]) -> None:
    file = read_spec(config, ("training.batch_size=16", "optimizer.learning_rate=0.1"))
    assert measured(file, silent, cluster=ALONE) is file
    assert not found


def test_several_processes_would_measure_different_values(config: Path) -> None:
    with pytest.raises(UsageError, match="2 processes train together"):
        measured(read_spec(config), silent, cluster=Cluster(workers=2))


def test_auto_is_a_mistake_in_other_keys(config: Path) -> None:
    with pytest.raises(SpecError, match="evaluation_batch_size"):
        read_spec(config, ("training.evaluation_batch_size=auto",))


def test_what_is_asked_of_the_measurement_is_a_config_of_its_own(config: Path, found: dict[str, Any]) -> None:
    measured(read_spec(config), silent, cluster=ALONE)
    assert read_spec(config, content=json.dumps(found["size"]).encode()).spec.model.plain() == found["size"]["model"]
