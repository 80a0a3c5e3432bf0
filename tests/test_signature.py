"""The signature of features and target."""

import pytest

from dlrun.signature import Target


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (Target("classes", 2, ("a", "b")), ("a", "b")),
        (Target("classes", 2, ("a", "a")), ("0", "1")),
        (Target("classes", 3, ("a", "b")), ("0", "1", "2")),
        (Target("labels", 2, ("yes", "yes"), names=("wet", "cold")), ("wet", "cold")),
        (Target("values", 1), ("value",)),
        (Target("values", 2), ("value_0", "value_1")),
        (Target("values", 1, names=("price",)), ("price",)),
    ],
)
def test_each_output_has_a_unique_name(target: Target, names: tuple[str, ...]) -> None:
    assert target.output_names == names
