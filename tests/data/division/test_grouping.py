"""Whole groups in hold-outs and folds: never divided, near the asked sizes, and with about the same classes."""

import numpy as np
import pytest

from dlrun.data.division.grouping import fold_of_groups, hold_out_groups
from dlrun.errors import DataError


def _patients(seed: int, *, examples: int = 600, groups: int = 60, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    group = generator.integers(0, groups, examples)
    # The class depends on the group, as it does for patients.
    return group, (group + (generator.random(examples) < 0.2)) % classes


def test_no_group_is_divided_and_sizes_and_classes_are_near_what_was_asked_for() -> None:
    for seed in range(40):
        group, labels = _patients(seed)
        stays, held_out = hold_out_groups(group, 120, seed=seed, labels=labels)
        assert sorted([*stays, *held_out]) == list(range(600))
        assert not set(group[stays]) & set(group[held_out])
        assert abs(len(held_out) - 120) <= 2
        share = np.bincount(labels[held_out], minlength=3) / len(held_out)
        assert np.abs(share - np.bincount(labels) / 600).max() < 0.06


def test_groups_are_chosen_at_random_by_the_seed_alone() -> None:
    group, labels = _patients(0)
    chosen = [set(group[hold_out_groups(group, 120, seed=seed, labels=labels)[1]]) for seed in (1, 1, *range(2, 30))]
    assert chosen[0] == chosen[1] != chosen[2]
    # Over many seeds every group is held out at some time, the large and the small ones.
    assert set().union(*chosen) == set(range(60))


def test_groups_much_larger_than_the_hold_out_give_the_nearest_one() -> None:
    group = np.repeat([0, 1, 2], [500, 300, 200])
    assert set(group[hold_out_groups(group, 50, seed=3)[1]]) == {2}


def test_a_class_keeps_a_group_to_train_on() -> None:
    group = np.repeat(np.arange(10), 10)
    labels = np.where(group == 7, 1, 0)
    for seed in range(20):
        assert 7 not in group[hold_out_groups(group, 50, seed=seed, labels=labels)[1]]


@pytest.mark.parametrize(
    ("group", "labels", "said"),
    [
        ([5, 5, 5, 5], None, "there is only one group"),
        ([0, 0, 1, 1], [0, 0, 1, 1], "each group has all examples of some class"),
    ],
)
def test_groups_that_cannot_be_spared_are_an_error(group: list[int], labels: list[int] | None, said: str) -> None:
    with pytest.raises(DataError, match=said):
        hold_out_groups(np.array(group), 1, seed=0, labels=None if labels is None else np.array(labels))


def test_seed_0_always_holds_out_the_same_groups() -> None:
    # Scores of published runs depend on it: a change of these numbers changes everyone's splits.
    group, labels = _patients(0, examples=40, groups=12)
    assert sorted(set(group[hold_out_groups(group, 10, seed=0, stream=1, labels=labels)[1]])) == [4, 6, 8]


def test_folds_consist_of_whole_groups_and_have_about_the_same_size_and_classes() -> None:
    for seed in range(20):
        group, labels = _patients(seed)
        fold = fold_of_groups(group, 5, seed=seed, labels=labels)
        assert all(len(set(fold[group == each])) == 1 for each in set(group.tolist()))
        assert np.abs(np.bincount(fold) - 120).max() <= 6
        for each in range(5):
            share = np.bincount(labels[fold == each], minlength=3) / (fold == each).sum()
            assert np.abs(share - np.bincount(labels) / 600).max() < 0.06


def test_every_fold_has_a_group_and_fewer_groups_than_folds_are_an_error() -> None:
    group = np.repeat([0, 1, 2], [100, 1, 1])
    assert set(fold_of_groups(group, 3, seed=0)) == {0, 1, 2}
    with pytest.raises(DataError, match="at most 3 folds"):
        fold_of_groups(group, 4, seed=0)
