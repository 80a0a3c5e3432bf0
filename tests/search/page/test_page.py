"""The text of the page of a search."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from dlrun.report.drawing import Drawing
from dlrun.search.outcome import SearchOutcome, Winner
from dlrun.search.page.page import search_page
from search_outcomes import LADDER, conditional, halved, outcome, searched, trial, with_objectives

PARALLEL = [Drawing(name, "parallel", "<svg/>", b"", description="lines") for name in ("parallel", "parallel_wide")]


def text_of(search: SearchOutcome, *drawings: Drawing) -> str:
    """Return what a reader sees, each piece of markup as one space."""
    body = search_page(search, drawings).partition("<body>")[2]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", body.replace("<wbr>", ""))))


def test_the_top_has_the_winner_its_scores_the_naive_score_and_the_cost() -> None:
    text = text_of(searched(40))
    assert "Trial 37 is the best of 40: val_accuracy 0.9689." in text
    assert "Better than the most frequent class on the test split: accuracy 0.951 against 0.1." in text
    assert "0.951 test accuracy ↑, scored once" in text
    assert "40 trials 13:20 min of searching" in text
    assert "2 of 40 trials failed, all with: the loss is not a number in epoch 3" in text
    assert "optimizer.learning_rate 0.01112" in text


def test_a_winner_that_is_no_better_than_the_naive_prediction_is_not_praised() -> None:
    search = searched(5)
    assert search.winner is not None
    scores = {"test": ({"accuracy": 0.09},)}
    assert "Not better than the most frequent class" in text_of(
        replace(search, winner=replace(search.winner, scores=scores))
    )


def test_the_test_score_of_an_earlier_winner_is_not_that_of_a_better_trial_found_since() -> None:
    winner = Winner(1, "a-run", {"test": ({"accuracy": 0.8},)}, {"test": {"accuracy": 0.1}}, "")
    assert "test accuracy" in text_of(outcome(trial(1, 0.9), winner=winner))
    text = text_of(outcome(trial(1, 0.9), trial(2, 0.95), winner=winner, is_complete=False))
    assert "test accuracy" not in text
    assert "a-run" not in text


def test_several_seeds_have_means_with_their_spread_and_a_tie_is_named() -> None:
    trials = [trial(1, results=((0.90, 0.94),)), trial(2, results=((0.91, 0.92),)), trial(3, results=((0.5, 0.51),))]
    winner = Winner(1, "a-run", {"test": ({"accuracy": 0.8}, {"accuracy": 0.9})}, {}, "")
    text = text_of(outcome(*trials, seeds=2, winner=winner))
    assert "val_accuracy 0.92 ± 0.02828 (mean and standard deviation of 2 seeds)" in text
    assert "The first two trials differ by less than the spread of their seeds" in text
    assert "0.85 ± 0.07071 test accuracy ↑, scored once" in text
    assert "differ by less" not in text_of(outcome(trials[0], trials[2], seeds=2))


def test_a_search_that_is_not_complete_says_so_and_has_no_test_score() -> None:
    text = text_of(outcome(trial(1), is_complete=False))
    assert "The search is not complete: the same command goes on." in text
    assert "test accuracy" not in text


@pytest.mark.parametrize(
    ("trials", "verdict"),
    [
        ([], "There is no result: no trial is complete."),
        ([trial(1, stage="running", runs=())], "There is no result: no trial is complete."),
        ([trial(1, stage="failed", reason="out of memory")], "There is no result: every trial failed."),
    ],
)
def test_without_a_complete_trial_the_page_says_that_there_is_no_result(trials: list[Any], verdict: str) -> None:
    text = text_of(outcome(*trials))
    assert verdict in text
    assert "search best" not in text
    if trials and trials[0].reason:
        assert "1 of 1 trials failed, all with: out of memory" in text


def test_halving_has_a_table_of_rungs_and_what_it_saved() -> None:
    text = text_of(halved(120))
    assert "2 114 38 76 0." in text
    assert "6 38 13 25 0." in text
    assert "18 13 - - 0." in text
    assert "The trials trained 554 epochs; without halving, the paused ones would have trained 1,516 more" in text
    assert "so it saved 73% of them" in text


def test_a_trial_that_ended_by_itself_counts_on_every_rung_but_was_not_promoted() -> None:
    text = text_of(outcome(trial(1, epochs=5), ladder=LADDER))
    assert "2 1 0 0 0.9 (trial 1) 6 1 0 0 0.9 (trial 1) 18 1 - - 0.9 (trial 1)" in text


def test_several_objectives_have_a_front_instead_of_a_winner() -> None:
    search = with_objectives(60)
    text = text_of(search)
    assert (
        f"{len(search.front)} of {len(search.trials)} trials are on the Pareto front of val_accuracy, parameters."
        in text
    )
    assert "the best of" not in text
    assert "no other trial is at least as good in everything and better in something" in text


def test_many_trials_have_a_table_of_the_best_and_one_of_all() -> None:
    page = search_page(searched(300), [])
    assert "<h3>The best 10</h3>" in page
    assert "<summary>all 300 trials" in page
    assert page.count("20261128-2145300-digits-012c</span>") == 1  # a failed one, only in the table of all
    assert page.count("20261128-214537-digits-0025</span>") == 2
    assert "<summary>" not in search_page(searched(30), [])


def test_trials_that_do_not_count_are_in_the_table_with_their_reason() -> None:
    others = [trial(2, stage="rejected", reason="kernel_size 9 is larger than 8"), trial(3, stage="equal", reason="1")]
    text = text_of(outcome(trial(1), *others))
    assert "1 complete, 1 rejected before training, 1 equal to another" in text
    assert "kernel_size 9 is larger than 8" in text
    assert "is the best of 1:" in text


def test_keys_that_a_trial_does_not_have_are_empty_in_the_table() -> None:
    page = search_page(conditional(4), [])
    assert page.count('<td data-label="model.\u200bdepth"></td>') == 2


def test_names_and_values_from_a_config_are_escaped_everywhere() -> None:
    bad = "<script>alert(1)</script>\"'&"
    point, space = {bad: 0}, [{"name": bad, "options": [{"value": bad, "parameters": []}]}]
    made = trial(1, point=point, values=((bad, bad),), runs=(bad,), reason=bad)
    winner = Winner(1, bad, {bad: ({bad: 0.5},)}, {bad: {bad: 0.1}}, bad)
    found = outcome(made, replace(made, number=2, stage="failed", results=()), name=bad, space=space, winner=winner)
    page = search_page(replace(found, notes=(bad,), importances={bad: 1.0}, sampler=bad, started=bad), PARALLEL)
    assert "<script" not in page
    assert "alert(1)" in page


def test_the_page_loads_nothing_and_has_a_text_for_each_picture() -> None:
    page = search_page(searched(3), PARALLEL)
    assert "default-src 'none'" in page
    assert all('alt="lines"' in picture for picture in re.findall("<img[^>]*>", page))
    assert re.findall(r'(?:src|srcset)="(?!data:)', page) == []
    assert '<picture><source media="(max-width: 46rem)" srcset="data:image/svg+xml;base64,' in page


def test_the_next_steps_can_be_copied_into_a_shell_whatever_the_name() -> None:
    search = outcome(trial(1), name="my search; rm x", folder=Path("runs/searches/x"))
    assert "dlrun search best 'my search; rm x' -o best.yaml" in text_of(search)


def test_importances_say_what_they_come_from_or_why_there_are_none() -> None:
    assert "No importance of keys: 3 trials have a score, and it needs 10." in text_of(searched(3))
    with_them = text_of(replace(halved(60), importances={"optimizer.learning_rate": 1.0}))
    assert "PED-ANOVA of 57 trials" in with_them
    assert "It compares scores after 2 epochs" in with_them
