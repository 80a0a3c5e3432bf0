import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dlrun.spec.parse import KEYS, read_spec
from dlrun.spec.schema import json_schema
from dlrun.spec.trust import Trust
from dlrun.yaml_tree.source import read_yaml

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_schema_contains_every_key() -> None:
    assert tuple(json_schema()["properties"]) == KEYS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_and_its_complete_spec_satisfy_the_schema(path: Path, validator: Any) -> None:
    spec = read_spec(path, trust=Trust(looks_at_data=False)).spec.plain()
    validator.validate(json.loads(json.dumps(spec)))
    document, _ = read_yaml(path)
    validator.validate(json.loads(json.dumps(document.plain())))


@pytest.mark.parametrize(
    "change",
    [
        {"modle": 1},
        {"model": {"type": "cnn", "blocks": [{"filter": 3}]}},
        {"model": {"type": "cnn", "blocks": [{"filters": 0}]}},
        {"model": "cmm"},
        {"optimizer": {"type": "adam", "beta_3": 0.1}},
        {"training": {"precision": "int8"}},
        {"metrics": "accuracy"},
        {"search": {"trials": 3}},
        {"search": {"space": {"model.units": [[4], [8]]}}},
        {"search": {"space": {"optimizer.learning_rate": {"low": 1}}}},
        {"search": {"space": {"training.batch_size": {"choices": [16, "many"]}}}},
        {"search": {"space": {"modle.units": {"choices": [[4]]}}}},
        {"search": {"space": {"model.dropout": {"low": 0, "high": 0.5}}, "sampler": "tpee"}},
    ],
)
def test_a_mistake_does_not_satisfy_the_schema(change: dict[str, Any], validator: Any) -> None:
    good = {"dataset": {"type": "builtin", "name": "digits"}, "model": "linear", "loss": "hinge"}
    assert validator.is_valid(good)
    assert not validator.is_valid(good | change)


def test_a_search_satisfies_the_schema_with_ranges_choices_and_what_is_below_them(validator: Any) -> None:
    good = {"dataset": {"type": "builtin", "name": "digits"}, "model": "linear", "loss": "hinge"}
    units = {"choices": [[64], {"low": 3, "high": 5}]}
    space = {
        "model": {"choices": ["linear", {"type": "mlp", "units": units, "dropout": {"low": 0.0, "high": 0.5}}]},
        "optimizer.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
        "training.batch_size": {"choices": [16, 32]},
        "model.layers.0.units": {"low": 4, "high": 8, "step": 2},
    }
    halved = {"space": space, "metric": "val_loss", "minutes": 3, "halving": {"min_epochs": 2}}
    validator.validate(good | {"search": halved})
    validator.validate(good | {"search": {"space": space, "metric": ["val_loss", "parameters"]}})
    validator.validate(good | {"search": None})
    search = json_schema()["properties"]["search"]["anyOf"][0]
    assert {"model.units", "training.batch_size", "loss.label_smoothing"} <= search["properties"]["space"][
        "properties"
    ].keys()
