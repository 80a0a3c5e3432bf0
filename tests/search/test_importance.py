"""The importance of the keys of a search."""

from dataclasses import replace
from importlib.util import find_spec

import pytest

from dlrun.search import importance
from dlrun.search.importance import importance_basis, key_importances, missing_importances
from dlrun.search.outcome import SearchOutcome
from search_outcomes import BATCH, DROPOUT, RATE, conditional, halved, outcome, searched, trial

needs_optuna = pytest.mark.skipif(find_spec("optuna") is None, reason="needs Optuna: pip install 'dlrun[search]'")


@needs_optuna
def test_the_key_that_decides_the_score_is_the_most_important_in_either_direction() -> None:
    search = searched(60)
    found = key_importances(search)
    assert list(found) == ["optimizer.learning_rate", "model.dropout", "training.batch_size"]
    assert found["optimizer.learning_rate"] > 0.5
    assert sum(found.values()) == pytest.approx(1)
    loss = replace(search.objectives[0], larger_is_better=False)
    flipped = [replace(each, results=tuple((1 - (score or 0),) for score in each.scores)) for each in search.trials]
    assert key_importances(replace(search, objectives=(loss,), trials=tuple(flipped))) == pytest.approx(found)


@needs_optuna
def test_with_halving_the_scores_of_the_first_rung_count_since_few_trials_train_to_the_end() -> None:
    search = halved(60)
    assert key_importances(search)["optimizer.learning_rate"] > 0.5
    assert importance_basis(search).startswith("PED-ANOVA of 57 trials")


@needs_optuna
def test_failed_trials_count_as_the_worst() -> None:
    """With a large dropout, trials fail; the learning rate decides the scores of the others."""
    trials = [
        replace(each, stage="failed", results=()) if each.point["model.dropout"] > 0.25 else each
        for each in searched(60).trials
    ]
    complete = [each for each in trials if each.stage == "completed"]
    alone, together = (key_importances(outcome(*each))["model.dropout"] for each in (complete, trials))
    assert together > 1.5 * alone


@needs_optuna
def test_a_conditional_key_has_no_importance_and_the_page_says_why() -> None:
    search = conditional(30)
    found = key_importances(search)
    assert found.keys() == {"optimizer.learning_rate", "model"}
    (sentence,) = missing_importances(replace(search, importances=found))
    assert sentence.startswith("No importance of model.depth: it exists only in trials with certain options")


@pytest.mark.parametrize(
    ("search", "sentence"),
    [
        (searched(9), "No importance of keys: 9 trials have a score, and it needs 10."),
        (replace(searched(12), space=(RATE,)), "No importance of keys: only one key is part of every trial"),
        (replace(searched(12), space=({"name": "model", "options": [{"value": 1}]},)), "no key is part of every trial"),
    ],
)
def test_without_enough_to_compare_there_are_none_and_a_reason(search: SearchOutcome, sentence: str) -> None:
    assert key_importances(search) == {}
    assert any(sentence in each for each in missing_importances(search))


def test_without_optuna_there_are_none_and_the_reason_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importance, "find_spec", lambda _: None)
    search = searched(20)
    assert key_importances(search) == {}
    assert list(missing_importances(search)) == [
        "No importance of keys: it needs Optuna, which is not installed (pip install 'dlrun[search]')."
    ]


@needs_optuna
def test_equal_scores_and_values_at_the_very_ends_of_a_range_are_no_error() -> None:
    ends = [
        trial(
            number,
            0.5,
            point={
                "optimizer.learning_rate": (1e-4, 1e-1)[number % 2],
                "model.dropout": 0.1 * 3,
                "training.batch_size": 2,
            },
        )
        for number in range(12)
    ]
    search = outcome(*ends, space=(RATE, DROPOUT, BATCH))
    assert set(key_importances(search)) <= {"optimizer.learning_rate", "model.dropout", "training.batch_size"}
