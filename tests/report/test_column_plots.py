"""The plots about columns: importance with intervals, and curves and bars of partial dependence."""

from typing import Any

import numpy as np
import pytest

from dlrun.report import column_plots
from run_folders import predictions
from undrawn_figures import keep_axes


@pytest.fixture
def axes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The axes of every plot, which are not made into pictures."""
    made: list[Any] = []
    keep_axes(monkeypatch, column_plots, lambda _, axes: made.append(axes))
    return made


def test_column_importances_are_drawn_with_the_most_important_first(axes: list[Any]) -> None:
    rises = np.linspace(0, 1, 40)
    names = np.array([f"c{number}" for number in range(40)])
    intervals = np.stack([rises - 0.1, rises + 0.1], axis=1)
    kept = predictions(columns=names, importances=rises, importance_intervals=intervals, measure=np.array("log loss"))
    list(column_plots.importances(kept))
    assert [label.get_text() for label in axes[0].get_yticklabels()][:2] == ["c39", "c38"]
    assert len(axes[0].patches) == 15
    (lines,) = axes[0].collections
    np.testing.assert_allclose(lines.get_segments()[0][:, 0], [0.9, 1.1])
    assert not list(column_plots.importances(predictions()))


def test_importances_of_an_earlier_version_have_no_intervals(axes: list[Any]) -> None:
    list(column_plots.importances(predictions(columns=np.array(["a"]), importances=np.ones(1))))
    assert len(axes[0].patches) == 1
    assert not axes[0].collections


def test_numbers_are_curves_over_the_values_of_examples_and_categories_are_bars(axes: list[Any]) -> None:
    kept = predictions(
        dependence=np.array([[[0.1, 0.9], [0.2, 0.8], [np.nan, np.nan]], [[0.5, 0.5], [0.4, 0.6], [0.3, 0.7]]]),
        dependence_points=np.array([[3.0, 7.0, np.nan], [0.5, 0.3, 0.2]]),
        dependence_names=np.array([["", "", ""], ["a", "b", "c"]]),
        dependence_values=np.array([[3.0, 4.0, 7.0], [np.nan] * 3]),
        dependence_columns=np.array(["age", "job"]),
        dependence_outputs=np.array(["probability of x", "probability of y"]),
    )
    found = list(column_plots.dependence(kept))
    assert [each.title for each in found] == ["mean prediction by age", "mean prediction by job"]
    curves, bars = axes
    first, second, rug = curves.lines
    assert (first.get_xdata().tolist(), second.get_ydata().tolist()) == ([3.0, 7.0], [0.9, 0.8])
    assert rug.get_xdata().tolist() == [3.0, 4.0, 7.0]
    assert curves.get_xlabel() == "age"
    assert [label.get_text() for label in bars.get_yticklabels()] == ["a (50%)", "b (30%)", "c (20%)"]
    assert sorted(patch.get_width() for patch in bars.patches) == [0.3, 0.4, 0.5, 0.5, 0.6, 0.7]
    assert not list(column_plots.dependence(predictions()))
