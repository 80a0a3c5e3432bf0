"""The text of a config."""

from pathlib import Path

import pytest
import yaml

from dlrun.init_config.page import written
from dlrun.yaml_tree.source import read_yaml


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "1e3",
        "no",
        "NULL",
        "a: b",
        "#x",
        "- a",
        'it\'s "q"',
        "",
        " x",
        "\t",
        "ä€",
        "12",
        ".5",
        "~",
        "[a]",
        "\x7f",
    ],
)
def test_every_text_is_read_back_unchanged(tmp_path: Path, value: str) -> None:
    path = tmp_path / "v.yaml"
    path.write_text(f"value: {written([value, {value or 'k': value}])}\n", encoding="utf-8")
    document, problems = read_yaml(path)
    assert not problems
    assert document is not None
    assert document.plain() == {"value": (value, {value or "k": value})}
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["value"][0] == value
