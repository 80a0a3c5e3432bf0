"""The point of a space that is the config itself."""

import pytest

from dlrun.spec.checks.search.own_point import own_point
from dlrun.spec.parse import parse_given
from dlrun.spec.search.space import Point, overrides_of

MODELS = {
    "choices": [
        {"type": "linear"},
        {"type": "mlp", "units": {"choices": [[64], [32, 16]]}, "dropout": {"low": 0, "high": 0.5}},
        {"type": "mlp", "units": [32, 16], "dropout": {"low": 0, "high": 0.5, "step": 0.25}, "activation": "gelu"},
    ]
}


def point_of(space: dict[str, object], **sections: object) -> Point | None:
    given: dict[str, object] = {
        "dataset": {"type": "builtin", "name": "wine", "validation": 0.2},
        "model": {"type": "mlp", "units": [32, 16], "dropout": 0.25},
        "loss": "sparse_categorical_crossentropy",
        "search": {"space": space},
    }
    file = parse_given(given | sections)
    point = own_point(file.spec, file.document)
    if point is not None and file.spec.search is not None:
        overrides = overrides_of(file.spec.search.space, point)
        assert parse_given(given | sections, overrides).spec == file.spec
    return point


def test_values_are_found_whether_written_or_by_default() -> None:
    rates = {"low": 1e-4, "high": 1e-1, "log": True}
    space = {"optimizer.learning_rate": rates, "training.batch_size": {"choices": [16, 32]}, "model": MODELS}
    point = {"optimizer.learning_rate": 1e-3, "training.batch_size": 1}
    assert point_of(space) == {**point, "model": 1, "model[1].units": 1, "model[1].dropout": 0.25}
    gelu = {"type": "mlp", "units": [32, 16], "dropout": 0.25, "activation": "gelu"}
    assert point_of(space, model=gelu) == {**point, "model": 2, "model[2].dropout": 0.25}
    assert point_of(space, model="linear") == {**point, "model": 0}


@pytest.mark.parametrize(
    ("space", "sections"),
    [
        ({"model.dropout": {"low": 0.3, "high": 0.5}}, {}),
        ({"model.dropout": {"low": 0, "high": 0.5, "step": 0.1}}, {}),
        ({"model.dropout": {"choices": [0, 0.5]}}, {}),
        ({"model": MODELS}, {"model": {"type": "mlp", "units": [32, 16], "dropout": 0.25, "activation": "tanh"}}),
        ({"model": MODELS}, {"model": {"type": "mlp", "units": [32, 17]}}),
        ({"model": MODELS, "training.epochs": {"low": 20, "high": 30}}, {}),
    ],
)
def test_a_config_outside_its_space_has_no_point(space: dict[str, object], sections: dict[str, object]) -> None:
    assert point_of(space, **sections) is None


def test_a_section_that_is_absent_has_its_default_as_value() -> None:
    space: dict[str, object] = {"schedule": {"choices": ["cosine", "constant"]}}
    assert point_of(space) == {"schedule": 1}
    assert point_of(space, search=None) is None
