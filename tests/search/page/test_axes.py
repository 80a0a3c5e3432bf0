"""Where the values of keys lie on their axes."""

import pytest

from dlrun.search.page.axes import KeyAxis, key_axes, short
from search_outcomes import conditional, outcome, searched


def test_the_ends_of_a_range_are_the_ends_of_its_axis() -> None:
    rate, dropout, batch = key_axes(searched(3))
    assert [rate.place(value) for value in (1e-4, 1e-1)] == pytest.approx([0, 1])
    assert rate.place(10**-2.5) == pytest.approx(0.5)
    assert dropout.place(0.25) == 0.5
    assert [batch.place(index) for index in range(3)] == [0, 0.5, 1]


def test_a_log_axis_is_marked_at_its_ends_and_decades() -> None:
    assert [label for _, label in KeyAxis("k", "k", 1e-4, 1e-1, is_log=True).ticks()] == [
        "0.0001",
        "0.001",
        "0.01",
        "0.1",
    ]
    narrow = KeyAxis("k", "k", 0.9, 1.2, is_log=True).marked()
    assert narrow == (0.9, 1.2)
    assert len(KeyAxis("k", "k", 1e-30, 1.0, is_log=True).marked()) <= 9


@pytest.mark.parametrize(("high", "marked"), [(4, (1, 4)), (5, (1, 3, 5))])
def test_an_axis_of_whole_numbers_is_marked_at_whole_numbers(high: int, marked: tuple[int, ...]) -> None:
    assert KeyAxis("k", "k", 1, high, is_integer=True).marked() == marked


def test_options_are_shown_as_the_trials_show_them_and_conditional_keys_say_where_they_exist() -> None:
    _, model, depth = key_axes(conditional(6))
    assert model.options == ("mlp", "linear")
    assert (depth.name, depth.path, depth.title) == ("model[0].depth", "model.depth", "model.depth (model: mlp)")


def test_an_option_that_no_trial_had_is_shown_as_its_value() -> None:
    space = [{"name": "model.units", "options": [{"value": [64, 64]}, {"value": "<b>"}]}]
    assert key_axes(outcome(space=space))[0].options == ("[64, 64]", "<b>")


def test_a_text_is_shortened_and_has_no_characters_that_cannot_be_drawn() -> None:
    assert short("a\x00b\ud800c\nd") == "a\ufffdb\ufffdc d"
    assert short("x" * 30) == "x" * 21 + "…"
