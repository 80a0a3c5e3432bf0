"""Importances are measured within a budget."""

import pytest

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize(
    ("columns", "calls", "positions", "parameters", "turns"),
    [
        (14, 1, 60, 2_000, 3),
        (14, 8, 500, 100_000, 2),
        (100, 8, 500, 2_000, 1),
        (14, 8, 500 * 24, 20_000, 0),
        (3, 8, 500, 10_000_000, 0),
        (0, 0, 0, 0, 3),
    ],
)
def test_columns_are_permuted_less_often_if_a_permutation_is_more_work(
    columns: int, calls: int, positions: int, parameters: int, turns: int
) -> None:
    from dlrun.training.sampling import turns_within_budget

    assert turns_within_budget(columns, calls=calls, positions=positions, parameters=parameters) == turns
