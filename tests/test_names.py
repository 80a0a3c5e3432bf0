import pytest

from dlrun.names import edit_distance, list_names, nearest


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [("", "", 0), ("adma", "adam", 1), ("adma", "adamax", 2), ("kitten", "sitting", 3), ("a", "", 1), ("ab", "ba", 1)],
)
def test_a_swap_of_neighbours_is_one_change(first: str, second: str, distance: int) -> None:
    assert edit_distance(first, second) == edit_distance(second, first) == distance


@pytest.mark.parametrize(
    ("name", "meant"),
    [("adma", "adam"), ("ADAM", "adam"), ("adammax", "adamax"), ("prop", "rmsprop"), ("zzz", None), ("", None)],
)
def test_the_nearest_name_is_the_intended_one(name: str, meant: str | None) -> None:
    assert nearest(name, ("adam", "adamax", "adamw", "rmsprop")) == meant


def test_a_long_list_of_names_ends_with_their_number() -> None:
    assert list_names(["a", "b"]) == "a, b"
    text = list_names(f"n{number}" for number in range(1500))
    assert text.startswith("n0, n1, ")
    assert text.endswith("n99, ... (1,500 in all)")
