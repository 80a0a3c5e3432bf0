from pathlib import Path

import pytest

from dlrun.errors import SpecError
from dlrun.spec.parse import parse_given, read_spec
from dlrun.spec.transfer.initialize import Initialize

SPEC = """\
dataset: {type: builtin, name: digits}
model: {type: mlp, units: [8]}
loss: sparse_categorical_crossentropy
"""


def test_an_id_alone_is_short_for_run() -> None:
    keys = {"dataset": {"type": "builtin", "name": "digits"}, "model": "linear", "loss": "hinge"}
    del keys["loss"]
    given = {**keys, "loss": "sparse_categorical_crossentropy", "initialize": "20261129-1-a"}
    spec = parse_given(given).spec
    assert spec.initialize == Initialize(run="20261129-1-a")
    assert spec.plain()["initialize"] == {"run": "20261129-1-a", "layers": "all"}
    assert "initialize" not in parse_given({**given, "initialize": None}).spec.plain()


def test_a_wrong_key_and_a_wrong_expression_are_told_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC + "initialize:\n  run: a\n  layer: all\n  layers: dense_(1\n")
    with pytest.raises(SpecError) as caught:
        read_spec(path)
    first, second = caught.value.problems
    assert (first.line, first.hint) == (6, "did you mean 'layers'?")
    assert second.line == 7
    assert "neither all nor backbone, and no regular expression" in second.what


@pytest.mark.parametrize(
    ("layers", "head", "hidden"),
    [("all", True, True), ("backbone", False, True), ("dense_.*", False, True), ("dense", False, False)],
)
def test_layers_are_asked_for_by_part_or_by_whole_name(layers: str, *, head: bool, hidden: bool) -> None:
    wanted = Initialize(run="a", layers=layers)
    assert wanted.takes("head", is_backbone=False) == head
    assert wanted.takes("dense_1", is_backbone=True) == hidden
