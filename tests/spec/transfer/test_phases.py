from pathlib import Path
from typing import Any

import pytest

from dlrun.errors import SpecError
from dlrun.spec.changes import refused_changes
from dlrun.spec.parse import parse_given, read_spec

TWO = ({"epochs": 3, "trainable": "none"}, {"epochs": 10, "trainable": "all", "learning_rate": 1e-4})


def spec(**training: Any) -> Any:
    keys = {
        "dataset": {"type": "builtin", "name": "digits"},
        "model": {"type": "mlp", "units": [8]},
        "loss": "sparse_categorical_crossentropy",
        "training": training,
    }
    return parse_given(keys).spec


@pytest.mark.parametrize(
    ("training", "epochs"),
    [
        ({"phases": [*TWO]}, 13),
        ({"phases": [TWO[0], {"trainable": "all"}]}, 3 + 10),
        ({"phases": [*TWO], "epochs": 20}, 20),
    ],
)
def test_the_last_phase_lasts_to_the_end_of_the_training(training: dict[str, Any], epochs: int) -> None:
    found = spec(**training)
    assert found.training.epochs == epochs
    assert [phase.epochs for phase in found.training.phases] == [3, None]
    assert [phase.first_epoch for phase in found.phases()] == [0, 3]


def test_a_key_that_a_phase_lacks_stays_as_in_the_phase_before() -> None:
    phases = [
        {"epochs": 1, "trainable": "none"},
        {"epochs": 1, "learning_rate": 0.5, "backbone_learning_rate": 0.1},
        {},
    ]
    found = spec(phases=phases).phases()
    assert [phase.trainable for phase in found] == ["none"] * 3
    assert [phase.learning_rate for phase in found] == [0.001, 0.5, 0.5]
    assert [phase.backbone_factor for phase in found] == [1.0, 0.2, 0.2]
    assert found[1].text(5) == "epochs 2 to 2: trainable none, learning rate 0.5, of the backbone 0.1"


def test_a_spec_without_phases_is_written_as_before() -> None:
    assert "phases" not in spec(epochs=2).plain()["training"]
    assert "phases" not in spec(epochs=2, phases=None).plain()["training"]
    assert len(spec(epochs=2).phases()) == 1


def test_a_run_with_phases_can_be_made_longer_and_not_otherwise() -> None:
    before = spec(phases=[*TWO])
    assert not list(refused_changes(before, spec(phases=[*TWO], epochs=30)))
    (refused,) = refused_changes(before, spec(phases=[{"epochs": 3, "trainable": "all"}, TWO[1]]))
    assert "trainable" in refused.what


def test_what_contradicts_the_phases_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("""\
dataset: {type: builtin, name: digits}
model: {type: pretrained, backbone: mobilenet_v2, weights: none}
optimizer: {type: adam, use_ema: true}
loss: sparse_categorical_crossentropy
training:
  steps: 10
  phases:
    - {trainable: top:500}
    - {epochs: 2, trainable: none, backbone_learning_rate: 0.1}
    - {epochs: 2, trainable: from:block_17_add}
    - {epochs: 2, trainable: all, learning_rat: 0.1}
""")
    with pytest.raises(SpecError) as caught:
        read_spec(path)
    found = [(problem.line, problem.what.partition(",")[0]) for problem in caught.value.problems]
    assert found == [
        (2, "mobilenet_v2 needs images of at least 32 pixels"),
        (3, "use_ema does not work with phases"),
        (6, "phases are counted in epochs"),
        (8, "phase 1 has no epochs"),
        (8, "mobilenet_v2 has 154 layers"),
        (9, "backbone_learning_rate has no effect while no layer of the backbone learns"),
        (10, "mobilenet_v2 has no layer 'block_17_add'"),
        (11, "unknown key 'learning_rat' in training.phases"),
    ]
