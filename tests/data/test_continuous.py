import numpy as np

from dlrun.data.continuous import MOST_BINS, continuous_of, sample_rows


def test_a_number_with_few_values_has_few_bins_and_a_constant_is_no_number() -> None:
    rows = np.array([[0, 5, 1, 0], [1, 5, 2, 1], [1, 5, 3, 2], [0, 5, 2, 3]], np.float32)
    first, second = continuous_of(rows, (0, 1, 2))
    assert (first.place, first.edges) == (0, (0.0, 1.0))
    assert (second.place, second.edges) == (2, (1.0, 2.0, 3.0))


def test_edges_are_quantiles_in_the_unit_of_the_scaled_numbers() -> None:
    (found,) = continuous_of(np.arange(10_001, dtype=np.float32)[:, None], (0,), scale=lambda rows: rows / 10)
    assert len(found.edges) == MOST_BINS + 1
    np.testing.assert_allclose(np.diff(found.edges), 1000 / MOST_BINS, atol=0.2)
    assert (found.edges[0], found.edges[-1]) == (0, 1000)


def test_wide_tables_have_fewer_bins_of_each_number() -> None:
    rows = np.random.default_rng(0).standard_normal((60, 2000)).astype(np.float32)
    found = continuous_of(rows, range(2000))
    assert {len(each.edges) for each in found} == {5}


def test_a_sample_is_spread_over_all_rows() -> None:
    assert len(sample_rows(np.zeros((7, 3)))) == 7
    sample = sample_rows(np.arange(1_000_000)[:, None])
    assert 50_000 < len(sample) <= 100_000
    assert sample.max() > 980_000


def test_a_frequent_value_takes_one_edge_and_leaves_the_others_to_the_rest() -> None:
    rows = np.where(np.arange(10_000) % 10 == 0, np.arange(10_000), 0).astype(np.float32)[:, None]
    (found,) = continuous_of(rows, (0,))
    assert found.edges[0] == 0
    assert len(found.edges) == MOST_BINS + 1
    np.testing.assert_allclose(np.diff(found.edges[1:]), 10_000 / (MOST_BINS - 1), rtol=0.2)
