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
    ],
)
def test_a_mistake_does_not_satisfy_the_schema(change: dict[str, Any], validator: Any) -> None:
    good = {"dataset": {"type": "builtin", "name": "digits"}, "model": "linear", "loss": "hinge"}
    assert validator.is_valid(good)
    assert not validator.is_valid(good | change)
