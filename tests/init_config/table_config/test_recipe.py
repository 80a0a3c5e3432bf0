"""The model of a table by its size."""

import pytest

from dlrun.init_config.draft import Key
from dlrun.init_config.table_config.recipe import TableRecipe


def keys(recipe: TableRecipe) -> dict[str, object]:
    sections = (*recipe.held_out, *recipe.scaling, *recipe.model, *recipe.training)
    return {key.name: key.value for key in sections if isinstance(key, Key)}


def test_a_test_split_is_held_out_only_when_asked_or_when_rows_are_many() -> None:
    assert "test" not in keys(TableRecipe(5_000, 3))
    assert keys(TableRecipe(5_000, 3, test=0.25))["test"] == 0.25
    assert keys(TableRecipe(500_000, 3))["test"] == 0.1


def test_a_few_rows_all_train() -> None:
    assert not {"test", "validation", "early_stopping"} & keys(TableRecipe(20, 3)).keys()


def test_only_numbers_are_scaled_and_embedded() -> None:
    assert not {"scaling", "numeric_embedding"} & keys(TableRecipe(900, 0)).keys()
    assert {"scaling", "numeric_embedding"} <= keys(TableRecipe(900, 1)).keys()


@pytest.mark.parametrize("rows", [2, 3, 7, 19, 30, 31, 50, 120, 999, 5_000, 54_000, 300_000, 20_000_000])
def test_every_size_has_whole_batches_and_several_epochs(rows: int) -> None:
    found = keys(TableRecipe(rows, 1))
    trained = rows * (1 - sum(float(str(found.get(key, 0))) for key in ("test", "validation")))
    assert 1 <= int(str(found["batch_size"])) <= trained
    assert int(str(found["epochs"])) >= 5


def test_only_few_rows_of_classes_are_blended_with_a_linear_model_of_plain_features() -> None:
    assert keys(TableRecipe(900, 3, is_classes=True, plain=6))["linear_blend"] is True
    for rows, is_classes, plain in ((900, False, 6), (1_500, True, 6), (900, True, 0), (900, True, 1_025)):
        assert "linear_blend" not in keys(TableRecipe(rows, 3, is_classes=is_classes, plain=plain))
