import pytest
from pydantic import TypeAdapter, ValidationError

from dlrun.models.parts.layer_selection import LayerSelection, select_layers, selection_problem

NAMES = ("input", "stem_conv", "block_1_conv", "block_1_bn", "block_2_conv", "block_2_bn", "out_relu")


@pytest.mark.parametrize(
    ("wanted", "selected"),
    [
        ("none", ()),
        ("all", NAMES),
        ("top:2", ("block_2_bn", "out_relu")),
        ("from:block_2_conv", ("block_2_conv", "block_2_bn", "out_relu")),
        ("block_1_.*", ("block_1_conv", "block_1_bn")),
        ("conv", ()),  # whole names, or `conv` would quietly mean all convolutions
    ],
)
def test_a_text_selects_layers_in_their_order(wanted: str, selected: tuple[str, ...]) -> None:
    assert select_layers(wanted, NAMES) == selected


@pytest.mark.parametrize("wanted", ["top:", "top:0", "top:many", "from:", "block_(1"])
def test_a_text_of_another_form_is_refused(wanted: str) -> None:
    with pytest.raises(ValidationError, match=r"selects no layers: .*; give none, all, top:N"):
        TypeAdapter(LayerSelection).validate_python(wanted)


@pytest.mark.parametrize(
    ("wanted", "what", "hint"),
    [
        ("top:8", "net has 7 layers, fewer than 8", "all"),
        ("from:block_2_con", "net has no layer 'block_2_con'", "did you mean from:block_2_conv?"),
        ("nome", "no layer of net has a name that matches 'nome'", "did you mean 'none'?"),
        ("conv", "no layer of net has a name that matches 'conv'", "to match a part of the name: .*conv.*"),
    ],
)
def test_a_selection_without_layers_is_a_problem_with_a_hint(wanted: str, what: str, hint: str) -> None:
    found = selection_problem(wanted, NAMES, path=("trainable",), of="net")
    assert found is not None
    assert (found.path, found.what, found.hint) == (("trainable",), what, hint)
    assert selection_problem("none", NAMES, path=(), of="net") is None
