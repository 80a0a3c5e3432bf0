"""Fields of a plugin of every type survive a round trip through spec.yaml, or the plugin is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dlrun import plugins
from dlrun.errors import SpecError
from dlrun.models import models
from dlrun.spec.parse import read_spec

PLUGIN = """
from __future__ import annotations
import datetime as dt, enum, pathlib
from typing import *
from pydantic import BaseModel, ConfigDict, Field, SecretStr, computed_field
from dlrun.component import Fields
from dlrun.models import Model, models
from dlrun.models.layers import Weights

class Kind(enum.Enum):
    OLD, NEW = "old", "new"

class Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    widths: list[int] = Field(default=[4], description="Widths.")

@models.register("{name}")
class Plugin(Weights, Model):
    {fields}
    takes = ("vector",)
    def build(self, features, target): ...
"""
EVERY_TYPE = """sizes: list[int] = [8, 4]
    rates: dict[str, list[float]] = {"a": [1.0, float("inf")]}
    names: set[str] = {"x"}
    when: dt.datetime = dt.datetime(2026, 1, 31, 12)
    day: Optional[dt.date] = None
    kind: Kind = Kind.OLD
    place: pathlib.Path = pathlib.Path("a/b")
    block: Block = Block()
    blocks: list[Block] = [Block(widths=[1])]
    by_name: dict[str, Block] = {}
    by_number: dict[int, float] = {1: 2.0}
    pair: tuple[int, str] = (1, "b")"""


@pytest.fixture
def names() -> Iterator[list[str]]:
    """Names of plugin models, which are forgotten at the end."""
    used: list[str] = []
    yield used
    for name in used:
        models._entries.pop(name, None)
    plugins._loaded.clear()


def spec(folder: Path, names: list[str], fields: str, model: str = "", name: str = "stored") -> Path:
    names.append(name)
    (folder / f"{name}.py").write_text(PLUGIN.replace("{fields}", fields).replace("{name}", name))
    path = folder / f"{name}.yaml"
    path.write_text(
        f"plugins: [{name}.py]\ndataset: {{type: builtin, name: wine}}\nmodel: {model or name}\n"
        "loss: sparse_categorical_crossentropy\n"
    )
    return path


def test_fields_of_every_type_are_read_back_from_the_spec_of_a_run(tmp_path: Path, names: list[str]) -> None:
    model = (
        "{type: stored, sizes: [3, 2, 1], day: 2026-02-28, kind: new, names: [u, v], blocks: [{}, {widths: [7]}], "
        "by_name: {first: {widths: [2]}}, by_number: {3: 0.5}, kernel_initializer: he_normal}"
    )
    before = read_spec(spec(tmp_path, names, EVERY_TYPE, model), ("model.sizes.1=5", "model.block.widths=[6, 6]")).spec
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(before.plain(), sort_keys=False))
    after = read_spec(tmp_path / "spec.yaml").spec
    assert after.model == before.model
    assert after.model.sizes == [3, 5, 1]  # type: ignore[attr-defined]
    assert after.model.block.widths == [6, 6]  # type: ignore[attr-defined]
    assert after.plain() == before.plain()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("{sizes: [1, two]}", "model.sizes"),
        ("{sizes: 3}", "a list, each item a whole number"),
        ("{kind: older}", "one of old, new"),
        ("{day: 2026-02-30}", "a date: 2026-01-31"),
        ("{blocks: [{width: [7]}]}", "unknown key 'width'"),
        ("{by_name: {first: {width: [7]}}}", "unknown key 'width'"),
    ],
)
def test_a_wrong_value_of_such_a_field_is_reported_at_its_location(
    tmp_path: Path, names: list[str], model: str, said: str
) -> None:
    path = spec(tmp_path, names, EVERY_TYPE, "{type: stored, " + model[1:])
    with pytest.raises(SpecError) as caught:
        read_spec(path)
    (problem,) = caught.value.problems
    assert said in f"{problem.what} {problem.expected}"
    assert problem.line == 3


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("call: Callable[[int], int] = abs", "the field call has a type that cannot be stored in a file"),
        ("key: SecretStr = SecretStr('x')", "the field key is a secret"),
        ("width: int = Field(default=3, alias='w')", "the field width has an alias"),
        ("width: int = Field(default=3, exclude=True)", "the field width is excluded"),
        ("odd: Any = [1, 2]", "odd changes when it is written to a file and read back: [1, 2] becomes (1, 2)"),
        ("odd: Union[dt.date, str] = dt.date(2026, 1, 1)", "odd changes when it is written"),
        ("odd: dict[tuple[int, int], int] = {(1, 2): 3}", "odd cannot be read back from a file"),
    ],
)
def test_a_field_that_cannot_be_stored_in_a_file_is_refused_before_training(
    tmp_path: Path, names: list[str], fields: str, said: str
) -> None:
    with pytest.raises(SpecError) as caught:
        read_spec(spec(tmp_path, names, fields))
    (problem,) = caught.value.problems
    assert said in problem.what
    assert "lists, sets, dictionaries" in problem.expected
