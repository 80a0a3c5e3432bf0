"""What the plots of a search show of its trials."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from dlrun.search.page import front, importance, parallel, progress, rungs, slices
from dlrun.search.page.progress import BEST, FAILED, PAUSED
from search_outcomes import ACCURACY, conditional, halved, outcome, searched, trial, with_objectives
from undrawn_figures import keep_axes

MODULES = (front, importance, parallel, progress, rungs, slices)


@pytest.fixture
def axes(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the axes of every plot by its name."""
    found: dict[str, Any] = {}
    for module in MODULES:
        keep_axes(monkeypatch, module, found.__setitem__)
    return found


def drawn(module: ModuleType, name: str, search: Any) -> list[str]:
    return [drawing.description for drawing in getattr(module, name)(search)]


def dots(axes: Any) -> int:
    return sum(len(collection.get_offsets()) for collection in axes.collections)


def test_progress_has_a_point_for_each_trial_and_the_best_so_far(axes: dict[str, Any]) -> None:
    search = searched(40)
    (description,) = drawn(progress, "progress", search)
    assert dots(axes["progress"]) == 40
    (line,) = axes["progress"].lines
    assert line.get_label() == "best so far"
    heights = list(line.get_ydata())
    assert heights == sorted(heights)
    assert search.best is not None
    assert heights[-1] == search.best.scores[0]
    assert f"of trial {search.best.number}" in description
    assert "38 complete, 0 paused and 2 failed trials" in description


def test_the_best_so_far_falls_for_a_loss_and_leaves_out_trials_that_are_not_complete() -> None:
    loss = replace(ACCURACY, name="val_loss", larger_is_better=False)
    trials = [trial(1, 0.5), trial(2, 0.7), trial(3, 0.4), trial(4, stage="failed"), trial(5, None), trial(6, 0.4)]
    assert [each.number for each in progress.running_best(trials, loss)] == [1, 3]


def test_there_are_lines_for_300_trials_in_both_forms_of_parallel_coordinates(axes: dict[str, Any]) -> None:
    search = searched(300)
    descriptions = drawn(parallel, "parallel_coordinates", search)
    assert list(axes) == ["parallel", "parallel_wide"]
    assert "A line for each of 300 trials crosses 4 axes: optimizer.learning_rate, model.dropout" in descriptions[0]
    for form in axes.values():
        lines = [line for line in form.lines if len(line.get_xdata()) == 4]
        assert len(lines) == 300
        assert sum(line.get_linestyle() == ":" for line in lines) == 15
        (best,) = [line for line in lines if line.get_color() == BEST]
        assert best.get_zorder() == max(line.get_zorder() for line in lines)


def test_only_the_best_of_very_many_trials_have_lines(axes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "MOST_LINES", 3)
    search = searched(10)
    drawn(parallel, "parallel_coordinates", search)
    ends = [line.get_xdata()[-1] for line in axes["parallel"].lines if len(line.get_xdata()) == 4]
    assert len(ends) == 3
    assert max(ends) == 1  # the best


def test_a_line_passes_below_the_axis_of_a_key_that_its_trial_does_not_have(axes: dict[str, Any]) -> None:
    drawn(parallel, "parallel_coordinates", conditional(8))
    below = [line.get_ydata()[2] < 0 for line in axes["parallel_wide"].lines if len(line.get_xdata()) == 4]
    assert sorted(below) == [False] * 4 + [True] * 4
    assert "none" in [text.get_text() for text in axes["parallel_wide"].texts]


def test_ten_axes_are_only_drawn_below_each_other(axes: dict[str, Any]) -> None:
    keys = [f"model.k{number}" for number in range(9)]
    space = [{"name": key, "low": 0.0, "high": 1.0, "log": False} for key in keys]
    drawn(parallel, "parallel_coordinates", outcome(trial(1, point=dict.fromkeys(keys, 0.5)), space=space))
    assert list(axes) == ["parallel"]


def test_each_key_has_a_slice_with_the_scale_of_its_range(axes: dict[str, Any]) -> None:
    search = searched(40)
    descriptions = drawn(slices, "slices", search)
    rate, dropout, batch = axes.values()
    assert (rate.get_xscale(), dropout.get_xscale()) == ("log", "linear")
    assert [label.get_text() for label in batch.get_xticklabels()] == ["32", "64", "128"]
    assert dots(rate) == 40 + 1  # the best once more, larger
    assert "medians of complete trials: 32 0." in descriptions[2]
    medians = [line.get_ydata()[0] for line in batch.lines]
    of_first = [each.scores[0] for each in search.trials if each.scores and each.point["training.batch_size"] == 0]
    assert medians[0] == np.median(np.array(of_first, float))


def test_a_slice_of_a_conditional_key_has_only_the_trials_that_have_it(axes: dict[str, Any]) -> None:
    drawn(slices, "slices", conditional(12))
    assert dots(axes["slice_3"]) in (6, 7)  # six trials, and the best again if it is one of them


def test_scores_outside_of_the_plot_are_triangles_at_its_edge(axes: dict[str, Any]) -> None:
    trials = [trial(number, 0.9 + number / 1000) for number in range(1, 9)] + [trial(9, 0.0)]
    drawn(slices, "slices", outcome(*trials))
    inside, outside, best = axes["slice_1"].collections
    assert [len(each.get_offsets()) for each in (inside, outside, best)] == [8, 1, 1]
    assert outside.get_offsets()[0, 1] == inside.get_offsets()[:, 1].min()
    assert len(outside.get_paths()[0].vertices) < len(inside.get_paths()[0].vertices)  # a triangle, not a circle


def test_rungs_have_a_line_for_each_trial_coloured_by_how_far_it_came(axes: dict[str, Any]) -> None:
    search = halved(40)
    (description,) = drawn(rungs, "rung_curves", search)
    colours = [line.get_color() for line in axes["rungs"].lines]
    paused = sum(each.stage == "paused" for each in search.trials)
    assert (colours.count(PAUSED), colours.count(BEST), colours.count(FAILED)) == (paused, 1, 0)
    assert [label.get_text() for label in axes["rungs"].get_xticklabels()] == ["2", "6", "18"]
    assert "after 2, 6, 18 epochs" in description


def test_the_front_is_marked_and_a_cost_that_differs_much_has_a_log_scale(axes: dict[str, Any]) -> None:
    search = with_objectives(40)
    (description,) = drawn(front, "fronts", search)
    (plot,) = axes.values()
    assert plot.get_xscale() == "log"
    assert len(plot.collections[1].get_offsets()) == len(search.front) > 1
    assert all(f"trial {each.number} (" in description for each in search.front)


def test_importances_are_bars_with_the_largest_first(axes: dict[str, Any]) -> None:
    (description,) = drawn(importance, "importance_plot", outcome(importances={"a": 0.25, "b": 0.75}))
    assert [label.get_text() for label in axes["importances"].get_yticklabels()] == ["b", "a"]
    assert description == "Importance: b 75%, a 25%."


@pytest.mark.parametrize(
    "search",
    [outcome(), outcome(*(trial(number, stage="failed") for number in (1, 2))), outcome(trial(1, None))],
    ids=["no trial", "all failed", "undefined score"],
)
def test_without_a_score_there_is_no_plot(search: Any, axes: dict[str, Any]) -> None:
    for module, name in (
        (progress, "progress"),
        (parallel, "parallel_coordinates"),
        (slices, "slices"),
        (rungs, "rung_curves"),
        (front, "fronts"),
        (importance, "importance_plot"),
    ):
        assert drawn(module, name, search) == []
    assert axes == {}
