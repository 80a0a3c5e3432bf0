"""Whether a larger or a smaller score is better."""

import pytest

from dlrun.errors import UsageError
from dlrun.runs.directions import derive_directions, find_direction, parse_signed


@pytest.mark.parametrize(
    ("text", "parsed"),
    [("loss", ("loss", None)), ("-val_loss", ("val_loss", "min")), ("+mine", ("mine", "max")), ("", ("", None))],
)
def test_a_sign_gives_the_direction(text: str, parsed: tuple[str, str | None]) -> None:
    assert parse_signed(text) == parsed


def test_the_direction_is_that_of_the_score_without_its_split() -> None:
    for key, direction in (("val_accuracy", "max"), ("test_loss", "min")):
        assert find_direction(key, [{"accuracy": "max", "loss": "min"}], write=str) == direction


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ([{"x": "max"}, {"x": "min"}], "better for some of the groups"),
        ([{}], "unknown"),
        ([{"x": "max"}, {}], "unknown"),
    ],
)
def test_without_one_direction_the_error_shows_how_to_write_a_sign(known: list[dict[str, str]], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        find_direction("x", known, write=lambda key: f"best:{key}", runs="groups")
    assert caught.value.expected == "best:+x for the largest, best:-x for the smallest"


def test_a_run_of_an_earlier_version_gets_the_directions_of_its_metrics() -> None:
    spec = {"metrics.0.type": "mean_absolute_error", "metrics.0.name": "error", "metrics.1.type": "accuracy"}
    scores = ("loss", "error", "accuracy", "of_a_plugin")
    assert derive_directions(spec, scores) == {"loss": "min", "error": "min", "accuracy": "max"}
    assert derive_directions({"metrics": ["accuracy"]}, ()) == {"loss": "min", "accuracy": "max"}
