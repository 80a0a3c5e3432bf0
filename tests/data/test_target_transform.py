"""Targets that cannot be transformed are refused with their place, before anything is trained."""

from pathlib import Path

import numpy as np
import pytest

from dlrun.data.builtin import Builtin
from dlrun.data.series.source import Series
from dlrun.data.table.source import Table
from dlrun.data.target_transform import fit_transform, transform_target
from dlrun.errors import DataError
from dlrun.signature import Target
from wine_spec import problems

REGRESSION = ("dataset.name=diabetes", "loss=mean_squared_error", "metrics=[]")


def write(path: Path, value: str) -> str:
    path.write_text("a,y\n" + "".join(f"{row * 7 % 10},{value if row == 4 else row + 0.5}\n" for row in range(60)))
    return str(path)


def test_a_row_without_a_logarithm_is_named_with_a_way_out(tmp_path: Path) -> None:
    path = write(tmp_path / "debts.csv", "-2.5")
    for source in (
        Table(path=path, target="y", target_transform="log1p"),
        Series(path=path, target="y", history=3, target_transform="log1p"),
    ):
        with pytest.raises(DataError) as error:
            source.load()
        assert "debts.csv:6 (row 5): the target 'y' is -2.5" in error.value.what
        assert "-1" in error.value.expected
        assert "quantile" in error.value.hint
        assert source.model_copy(update={"target_transform": "quantile"}).load().target


def test_every_dataset_names_the_example_of_a_value_without_a_logarithm() -> None:
    dataset = Builtin(name="diabetes").load()
    dataset.splits["train"].target[7] = -1  # type: ignore[index]
    with pytest.raises(DataError, match="diabetes: example 8 of the train split: the target 'value' is -1"):
        transform_target(dataset, "log1p")


def test_a_target_of_numbers_becomes_standardized_and_its_values_stay_in_their_unit() -> None:
    dataset = Builtin(name="diabetes").load()
    before = dataset.splits["train"].target
    changed = transform_target(dataset, "quantile")
    assert changed.splits["train"].target is before
    assert changed.fingerprint == dataset.fingerprint
    assert changed.target is not None
    assert changed.target.transform == "quantile"
    assert len(changed.target.scale) == 1
    assert "target_transform" in changed.notes[-1]
    assert transform_target(dataset, "none") is dataset


def test_equal_values_have_no_quantiles() -> None:
    with pytest.raises(DataError, match="is 3 in every training example"):
        fit_transform(np.full(9, 3.0), Target("values", 1, encoding="value"), "quantile")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ((), "log1p, but the model predicts classes"),
        ((*REGRESSION, "loss=poisson"), "log1p, but poisson needs values in the unit of the data"),
        (
            (*REGRESSION, "model={type: autoencoder, encoder: dense, units: [4], latent_units: 2}"),
            "log1p, but the model predicts its own input",
        ),
    ],
)
def test_a_transformation_without_effect_or_sense_is_a_problem_of_the_spec(
    overrides: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    (problem,) = problems(tmp_path, *overrides, "dataset.target_transform=log1p")
    assert words in problem.what
    assert not problems(tmp_path, *REGRESSION, "dataset.target_transform=log1p")
