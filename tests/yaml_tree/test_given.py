"""A spec given as a dict is checked like a file; its problems have key paths."""

from pathlib import Path

import pytest

from dlrun.errors import SpecError
from dlrun.spec.parse import parse_given, read_spec

GOOD = {
    "dataset": {"type": "builtin", "name": "digits"},
    "model": "linear",
    "loss": "sparse_categorical_crossentropy",
    "metrics": ["accuracy"],
}


def test_a_dict_is_the_same_spec_as_its_file(tmp_path: Path) -> None:
    made = parse_given(GOOD, ("training.epochs=3",))
    assert made.text is not None
    (tmp_path / "run.yaml").write_text(made.text)
    assert made.spec == read_spec(tmp_path / "run.yaml", ("training.epochs=3",)).spec


def test_problems_of_a_dict_have_key_paths() -> None:
    with pytest.raises(SpecError) as caught:
        parse_given({**GOOD, "metrics": ["acc"], "training": {"epochs": "x", "lr": 1}})
    assert {problem.origin for problem in caught.value.problems} >= {"metrics[0]", "training.epochs", "training.lr"}
    assert all(problem.line == 0 for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("value", "path"), [({"seed": object()}, "seed"), ({"training": {"epochs": {1}}}, "training.epochs")]
)
def test_a_value_that_yaml_lacks_is_a_problem_with_its_key_path(value: dict[str, object], path: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_given({**GOOD, **value})
    assert caught.value.problems[0].origin == path
