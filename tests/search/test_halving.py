"""Which trials are promoted, and when: the rule alone."""

from dlrun.search.halving import Ladder, rung_epochs

LADDER = Ladder((2, 6, 18), 3, larger_is_better=True)


def test_rungs_grow_by_the_factor_and_end_with_the_full_length() -> None:
    assert rung_epochs(2, 3, epochs=18) == (2, 6, 18)
    assert rung_epochs(2, 3, epochs=20) == (2, 6, 18, 20)
    assert rung_epochs(5, 3, epochs=5) == (5,)


def test_a_rung_promotes_nobody_before_it_has_as_many_trials_as_the_factor() -> None:
    assert LADDER.next_promotion([{1: 0.5, 2: 0.6}, {}], [frozenset(), frozenset()]) is None
    assert LADDER.next_promotion([{1: 0.5, 2: 0.6, 3: 0.4}, {}], [frozenset(), frozenset()]) == (2, 0)


def test_the_highest_rung_is_looked_at_first() -> None:
    low = {number: number / 10 for number in range(1, 10)}
    high = {7: 0.7, 8: 0.8, 9: 0.9}
    gone = [frozenset({7, 8, 9}), frozenset[int]()]
    assert LADDER.next_promotion([low, high], gone) == (9, 1)
    assert LADDER.next_promotion([low, high], [gone[0], frozenset({9})]) is None


def test_smaller_scores_win_where_they_are_better_and_undefined_ones_never_do() -> None:
    ladder = Ladder((1, 3), 3, larger_is_better=False)
    assert ladder.next_promotion([{1: 0.5, 2: None, 3: float("nan"), 4: 0.2}], [frozenset()]) == (4, 0)
    assert ladder.ranking({1: None, 2: 0.5, 3: 0.5}) == [2, 3, 1]


def test_at_the_end_the_best_of_the_highest_rung_goes_on_even_if_the_rungs_are_thin() -> None:
    assert LADDER.last_promotion([{1: 0.5, 2: 0.6}, {2: 0.7}], [frozenset({2}), frozenset()]) == (2, 1)
    assert LADDER.last_promotion([{1: 0.5}, {}], [frozenset({1}), frozenset()]) is None


def test_a_trial_is_out_of_reach_when_no_later_trial_can_bring_it_a_promotion() -> None:
    scores = {number: number / 10 for number in range(1, 7)}
    gone = [frozenset[int](), frozenset[int]()]
    assert LADDER.out_of_reach([scores, {}], gone, more=12) == set()
    assert LADDER.out_of_reach([scores, {}], gone, more=3) == {1, 2, 3}
    assert LADDER.out_of_reach([scores, {}], gone, more=0) == {1, 2, 3, 4}
    assert LADDER.out_of_reach([{1: 0.1}, {}], gone, more=0) == set()
