from typing import Any

import numpy as np
import pytest

from dlrun.data.splits import Split, arrange, choose_held_out, fingerprint_of, held_out_count, sizes_after
from dlrun.errors import DataError


def _split(total: int, *, classes: int = 3) -> Split:
    return Split(np.arange(total, dtype=np.float32)[:, None], (np.arange(total) % classes).astype(np.int32))


def test_a_fraction_means_its_decimal_digits_and_is_rounded_up() -> None:
    assert held_out_count(0.07, 100) == 7  # 0.07 * 100 is 7.000000000000001
    assert held_out_count(0.1, 60_000) == 6_000
    assert held_out_count(0.1, 1_437) == 144
    assert held_out_count(1e-3, 10) == 1
    assert held_out_count(5_000, 60_000) == 5_000
    assert held_out_count(0, 10) == 0


def test_held_out_examples_are_exact_in_number_disjoint_and_proportional() -> None:
    generator = np.random.default_rng(0)
    for case in range(400):
        labels = generator.integers(0, generator.integers(1, 12), size=generator.integers(3, 300))
        counts = np.bincount(labels)
        most = len(labels) - int((counts > 1).sum())
        count = int(generator.integers(1, most + 1))
        stays, held_out = choose_held_out(len(labels), count, seed=case, labels=labels)
        assert len(held_out) == count
        assert sorted([*stays, *held_out]) == list(range(len(labels)))
        assert (np.diff(stays) > 0).all()
        assert (np.diff(held_out) > 0).all()
        left = np.bincount(labels[stays], minlength=len(counts))
        assert (left[counts > 1] >= 1).all()
        exact = counts * count / len(labels)
        if (exact <= np.maximum(counts - 1, 0)).all():
            assert (np.abs(np.bincount(labels[held_out], minlength=len(counts)) - exact) < 1).all()


def test_a_class_of_one_example_gives_it_up_last() -> None:
    labels = np.array([0] * 10 + [1])
    for seed in range(20):
        stays, _ = choose_held_out(11, 9, seed=seed, labels=labels)
        assert set(labels[stays]) == {0, 1}
    stays, held_out = choose_held_out(11, 10, seed=0, labels=labels)
    assert labels[stays].tolist() == [0]
    assert 10 in held_out


def test_a_class_that_would_lose_its_last_example_is_an_error() -> None:
    with pytest.raises(DataError, match="at most 6"):
        choose_held_out(9, 7, seed=0, labels=np.repeat([0, 1, 2], 3))


def test_the_same_seed_holds_out_the_same_examples_and_another_seed_others() -> None:
    labels = np.arange(200) % 7
    for given in (None, labels):
        first, again, other = (choose_held_out(200, 40, seed=seed, labels=given)[1] for seed in (5, 5, 6))
        assert (first == again).all()
        assert (first != other).any()


def test_seed_0_always_holds_out_the_same_examples() -> None:
    # Scores of published runs depend on it: a change of these numbers changes everyone's splits.
    assert choose_held_out(20, 5, seed=0, stream=1)[1].tolist() == [0, 9, 10, 13, 15]
    assert choose_held_out(20, 5, seed=0, stream=1, labels=np.arange(20) % 2)[1].tolist() == [0, 4, 10, 13, 15]


def test_another_validation_leaves_the_test_split_as_it_is() -> None:
    without, _ = arrange({"train": _split(100)}, test=0.2, seed=3)
    with_it, _ = arrange({"train": _split(100)}, test=0.2, validation=0.3, seed=3)
    assert fingerprint_of({"test": without["test"]}) == fingerprint_of({"test": with_it["test"]})


def test_examples_and_their_labels_and_weights_stay_together() -> None:
    whole = Split(
        np.arange(50, dtype=np.float32)[:, None], np.arange(50, dtype=np.int32), np.arange(50, dtype=np.float32)
    )
    splits, _ = arrange({"train": whole}, test=10, validation=10)
    for split in splits.values():
        assert (split.features[:, 0] == split.target).all()
        assert split.sample_weight is not None
        assert (split.features[:, 0] == split.sample_weight).all()


def test_sizes_after_are_the_sizes_that_arrange_makes() -> None:
    generator = np.random.default_rng(1)
    for _ in range(200):
        brings = {"train": _split(int(generator.integers(20, 200)))}
        if generator.random() < 0.5:
            brings["test"] = _split(17)
        if generator.random() < 0.3:
            brings["validation"] = _split(11)
        test = 0 if "test" in brings else [0, 0.2, 5][generator.integers(3)]
        validation: Any = [0, 0.1, 7, "train", *(["test"] if "test" in brings else [])][generator.integers(4)]
        arranged, _ = arrange(brings, test=test, validation=validation)
        sizes = sizes_after({name: len(split) for name, split in brings.items()}, test=test, validation=validation)
        assert sizes == {name: len(split) for name, split in arranged.items()}


def test_impossible_hold_outs_have_no_sizes_and_are_refused_by_arrange() -> None:
    assert sizes_after({"train": 10}, validation=10) == {"train": 10}
    assert sizes_after({"train": 10}, test=12, validation=4) == {"train": 6, "validation": 4}
    assert sizes_after({"train": 10}, validation="test") == {"train": 10}
    with pytest.raises(DataError, match="holds out 10 of 10 training examples"):
        arrange({"train": _split(10)}, validation=10)
    with pytest.raises(DataError, match="did you mean 'test'"):
        arrange({"train": _split(10), "test": _split(5)}, validation="tset")
    with pytest.raises(DataError, match="already has a test split"):
        arrange({"train": _split(10), "test": _split(5)}, test=0.2)


def test_every_choice_is_reported() -> None:
    _, notes = arrange({"train": _split(1797)}, test=0.2, validation=0.1, by_class=True)
    assert notes == (
        "test: 360 of 1,797 examples held out, stratified by class, seed 0",
        "validation: 144 of 1,437 training examples held out, stratified by class, seed 0",
    )
    _, (note,) = arrange({"train": _split(10), "test": _split(5)}, validation="test")
    assert note.startswith("validation: the test split is used")


def test_a_fingerprint_knows_bytes_dtypes_shapes_and_the_division_into_splits() -> None:
    zeros = np.zeros((4, 2), np.float32)
    splits = [
        {"train": Split(zeros)},
        {"test": Split(zeros)},
        {"train": Split(zeros.reshape(2, 4))},
        {"train": Split(zeros.view(np.int32))},
        {"train": Split(zeros, target=np.zeros(4, np.int32))},
        {"train": Split(zeros, sample_weight=np.zeros(4, np.float32))},
        {"train": Split(zeros + 1)},
        {"train": Split(zeros[:2]), "test": Split(zeros[2:])},
    ]
    assert len({fingerprint_of(split) for split in splits}) == len(splits)
    strided = np.zeros((8, 2), np.float32)[::2]
    assert fingerprint_of({"train": Split(strided)}) == fingerprint_of(splits[0])


def test_the_numbers_of_rows_follow_their_examples() -> None:
    split = Split(np.arange(6.0), rows=np.arange(10, 16))
    taken = split.take(np.array([4, 1]))
    assert taken.rows is not None
    assert taken.rows.tolist() == [14, 11]
    assert dict(split.arrays()).keys() == {"features"}
