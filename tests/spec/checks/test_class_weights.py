"""Class weights of a spec."""

from pathlib import Path

import pytest

from dlrun.signature import Target
from dlrun.spec.checks.class_weights import class_weight_problems, weights_by_index
from dlrun.spec.parse import read_spec
from dlrun.spec.trust import Trust
from wine_spec import problems, write


def target(*names: str) -> Target:
    return Target("classes", len(names), class_names=names)


@pytest.mark.parametrize(
    ("names", "weights", "expected"),
    [
        (("1", "2", "3"), {"0": 10, "1": 20, "2": 30}, {0: 10, 1: 20, 2: 30}),
        (("1", "2", "3"), {"1": 10, "3": 30}, {0: 10, 2: 30}),
        (("2", "1", "0"), {"0": 5, "2": 7}, {2: 5, 0: 7}),  # can be either: names
        (("cat", "dog"), {"dog": 2}, {1: 2}),
        (("cat", "dog"), {"1": 2}, {1: 2}),
    ],
)
def test_class_weights_are_all_by_name_or_all_by_index(
    names: tuple[str, ...], weights: dict[str, float], expected: dict[int, float]
) -> None:
    assert weights_by_index(weights, target(*names)) == expected


@pytest.mark.parametrize(
    ("names", "weights", "said"),
    [
        (("cat", "dog"), "{cat: 1, 0: 2}", "class 'cat' has two weights, one by name and one by index 0"),
        (("cat", "dog"), "{cat: 1, 1: 2}", "some keys are names (cat) and some are indices (1)"),
        (("1", "2", "3"), "{3: 1, 0: 2}", "some keys are names (3) and some are indices (0)"),
        (("1", "2", "3"), "{1: 1, 4: 2}", "there is no class '4'"),
        (("cat", "dog"), "{cat: 0, dog: 0}", "all class weights are 0"),
    ],
)
def test_class_weights_with_wrong_names_or_only_zeros_are_refused(
    tmp_path: Path, names: tuple[str, ...], weights: str, said: str
) -> None:
    draft = read_spec(write(tmp_path), (f"training.class_weight={weights}",), trust=Trust(trains=False)).spec.draft()
    (problem,) = class_weight_problems(draft, target(*names))
    assert said in problem.what


@pytest.mark.parametrize("weights", ["balanced", "{0: 2.0}"])
@pytest.mark.parametrize("loss", ["dice", "tversky"])
def test_class_weights_without_effect_are_refused(tmp_path: Path, loss: str, weights: str) -> None:
    (problem,) = problems(tmp_path, f"loss={loss}", f"training.class_weight={weights}")
    assert f"have no effect in {loss}" in problem.what
    assert "categorical_focal_crossentropy" in problem.expected
    assert "dice" not in problem.expected
    assert problems(tmp_path, f"loss={loss}") == []
