"""Marks in plots, and their style for different numbers of points."""

from typing import Any

import numpy as np
import pytest

from dlrun.report import plots
from dlrun.runs.record import BestRecord
from dlrun.signature import Target
from run_folders import predictions
from undrawn_figures import keep_axes

VALUES = Target("values", 1, encoding="value", names=("price",))
ROWS = [{"epoch": float(epoch), "loss": 1 / epoch, "val_loss": 2 / epoch} for epoch in (1, 2, 3)]


@pytest.fixture
def axes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The axes of every plot, which are not made into pictures."""
    made: list[Any] = []
    keep_axes(monkeypatch, plots, lambda _, axes: made.append(axes))
    return made


def test_the_best_epoch_is_marked_in_the_curves(axes: list[Any]) -> None:
    best = BestRecord(metric="val_loss", value=1.0, epoch=2, step=9)
    list(plots.learning_curves(ROWS, best=best))
    assert axes[0].get_legend_handles_labels()[1] == ["training", "validation", "best: epoch 2"]
    assert [line.get_xydata().tolist() for line in axes[0].lines][-1] == [[2, 1.0]]
    list(plots.learning_curves(ROWS, best=best.model_copy(update={"value": None})))
    assert len(axes[1].lines) == 3


def test_few_points_are_large_and_many_are_transparent(axes: list[Any]) -> None:
    for count in (40, 400, 4000):
        truth = np.linspace(0, 1, count)
        list(plots.values(predictions(outputs=truth[:, None], target=truth), VALUES))
    dots = [axes[number].collections[0] for number in (0, 3, 6)]
    sizes, opacities = ([float(np.max(look)) for look in looks] for looks in (
        [dot.get_sizes() for dot in dots], [dot.get_alpha() for dot in dots],
    ))  # fmt: skip
    assert sizes == sorted(sizes, reverse=True)
    assert opacities == sorted(opacities, reverse=True)
    assert sizes[0] > 2 * sizes[2]


@pytest.mark.parametrize(("count", "least", "most"), [(10, 5, 6), (100, 8, 12), (10_000, 35, 50)])
def test_bins_fit_the_number_of_values(axes: list[Any], count: int, least: int, most: int) -> None:
    list(plots.errors(np.linspace(0, 1, count)))
    assert least <= len(axes[0].patches) <= most
    list(plots.errors(np.full(count, 3.0)))
    assert len(axes[1].patches) == 1


def test_the_distribution_of_a_target_is_drawn_for_values_and_classes(axes: list[Any]) -> None:
    list(plots.values(predictions(outputs=np.ones((40, 1)), target=np.zeros(40)), VALUES))
    assert axes[1].get_legend_handles_labels()[1] == ["true", "predicted"]
    list(plots.classes(np.array([0, 0, 2]), np.array([0, 1, 1]), ["a", "b", "c"]))
    assert [bar.get_width() for bar in axes[3].patches] == [2, 0, 1, 1, 2, 0]


@pytest.mark.parametrize(
    ("times", "is_dated"),
    [
        (np.arange(40) * 86_400 * 30, True),
        (np.arange(40)[::-1], False),
        (np.full(40, 2**62), False),
        (np.full(40, np.nan), False),
        (np.arange(39), False),
        (np.array(["x"] * 40), False),
    ],
)
def test_a_forecast_has_dates_where_it_has_times_that_are_dates(axes: list[Any], times: Any, *, is_dated: bool) -> None:
    truth = np.linspace(0, 1, 40)
    kept = predictions(outputs=truth[:, None], target=truth, naive=truth[:, None], times=times)
    list(plots.forecast(kept, VALUES))
    assert (axes[0].lines[0].get_xdata().dtype.kind == "M") == is_dated
    assert ("first 40 steps" in axes[0].get_xlabel()) != is_dated


def test_a_confusion_matrix_of_pixels_has_percentages_of_each_true_class(axes: list[Any]) -> None:
    matrix = np.array([[999_999, 1], [500_000, 1_500_000]])
    (drawn,) = plots.confusion(matrix, ["a", "b"], of_pixels=True)
    assert [text.get_text() for text in axes[0].texts] == [">99.9", "<0.1", "25.0", "75.0"]
    assert "pixels" in drawn.title


def test_the_overlaps_of_images_are_drawn_although_some_are_undefined(axes: list[Any]) -> None:
    list(plots.overlaps(np.array([0.5, np.nan, 1.0, 1.0])))
    assert sum(bar.get_height() for bar in axes[0].patches) == 3
